// A short message centre for Kannel to bind to: npm's smpp. It writes a JSON line for each submit_sm it gets, takes it
// and reports it delivered; numbers that end with 0404 it refuses. A JSON line on standard input ({from, to, text}) is a
// message from a phone.
// Usage: node smsc.js PORT
const smpp = require("smpp");
const readline = require("readline");

let kannel = null;
let last = 0;

function stamp() {
  return new Date().toISOString().slice(2, 16).replace(/[-T:]/g, "");
}

function report(pdu, id) {
  kannel.deliver_sm({
    esm_class: 4,
    source_addr: pdu.destination_addr,
    destination_addr: pdu.source_addr,
    short_message: `id:${id} sub:001 dlvrd:001 submit date:${stamp()} done date:${stamp()} stat:DELIVRD err:000 text:`,
  });
}

smpp
  .createServer((session) => {
    session.on("error", () => {});
    session.on("bind_transceiver", (pdu) => {
      kannel = session;
      session.send(pdu.response());
    });
    session.on("enquire_link", (pdu) => session.send(pdu.response()));
    session.on("unbind", (pdu) => session.send(pdu.response()));
    session.on("submit_sm", (pdu) => {
      const refused = pdu.destination_addr.endsWith("0404");
      const id = `smsc-${++last}`;
      const udh = pdu.short_message.udh ? pdu.short_message.udh.map((one) => [...one]) : [];
      console.log(
        JSON.stringify({
          to: pdu.destination_addr,
          from: pdu.source_addr,
          coding: pdu.data_coding,
          parts: udh.length > 0 ? udh[0].slice(-3) : [0, 1, 1],
          text: pdu.short_message.message,
          refused,
        }),
      );
      if (refused) {
        session.send(pdu.response({ command_status: smpp.ESME_RINVDSTADR }));
        return;
      }
      session.send(pdu.response({ message_id: id }));
      if (pdu.registered_delivery & 1) setTimeout(report, 200, pdu, id);
    });
  })
  .listen(Number(process.argv[2]), "127.0.0.1");

readline.createInterface({ input: process.stdin }).on("line", (line) => {
  const { from, to, text } = JSON.parse(line);
  kannel.deliver_sm({ source_addr: from, destination_addr: to, short_message: text });
});
