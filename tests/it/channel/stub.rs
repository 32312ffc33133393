//! Small servers that do what a test's script says, byte for byte.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// What an HTTP stub does with every connection.
#[derive(Clone)]
pub enum Play {
    /// Closes it before anything is read.
    CloseAtOnce,
    /// Reads the request, then closes.
    CloseAfterRequest,
    /// Reads the request, then says nothing.
    Hang,
    /// Reads the request, says this, then nothing more.
    SayAndHang(String),
    /// Reads the request, says this, closes.
    Say(String),
}

/// A running stub; stops when dropped.
pub struct Stub {
    pub address: SocketAddr,
    heard: Arc<Mutex<Vec<String>>>,
    _tasks: JoinSet<()>,
}

impl Stub {
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What clients said, a request or a line each.
    pub fn heard(&self) -> Vec<String> {
        self.heard.lock().unwrap().clone()
    }
}

/// An answer with a length.
pub fn answer(status: &str, headers: &str, body: &str) -> Play {
    let length = body.len();
    Play::Say(format!("HTTP/1.1 {status}\r\n{headers}content-length: {length}\r\n\r\n{body}"))
}

/// A stub that plays the same to every connection.
pub async fn http(play: Play) -> Stub {
    let reads = if matches!(play, Play::CloseAtOnce) { Reads::Nothing } else { Reads::Requests };
    serve(reads, move |_| play.clone()).await
}

/// A stub that answers each request by what it says: a status and a body.
pub async fn answering(by: impl Fn(&str) -> (&'static str, &'static str) + Send + 'static) -> Stub {
    serve(Reads::Requests, move |request| {
        let (status, body) = by(request);
        answer(status, "connection: close\r\n", body)
    })
    .await
}

enum Reads {
    Nothing,
    Requests,
}

async fn serve(reads: Reads, by: impl Fn(&str) -> Play + Send + 'static) -> Stub {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let heard = Arc::new(Mutex::new(Vec::new()));
    let mut tasks = JoinSet::new();
    let log = Arc::clone(&heard);
    tasks.spawn(async move {
        let mut open = Vec::new();
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            if matches!(reads, Reads::Nothing) {
                continue;
            }
            let request = read_request(&mut stream).await;
            let play = by(&request);
            log.lock().unwrap().push(request);
            match play {
                Play::CloseAtOnce | Play::CloseAfterRequest => {}
                Play::Hang => open.push(stream),
                Play::SayAndHang(words) => {
                    stream.write_all(words.as_bytes()).await.unwrap();
                    open.push(stream);
                }
                // A client that has read enough may hang up first.
                Play::Say(words) => drop(stream.write_all(words.as_bytes()).await),
            }
        }
    });
    Stub { address, heard, _tasks: tasks }
}

async fn read_request(stream: &mut TcpStream) -> String {
    let (mut bytes, mut chunk) = (Vec::new(), [0_u8; 4096]);
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head
                .lines()
                .find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok())
                .unwrap_or(0);
            if body.len() >= length {
                return text;
            }
        }
        match stream.read(&mut chunk).await {
            Ok(0) | Err(_) => return text,
            Ok(count) => bytes.extend_from_slice(&chunk[..count]),
        }
    }
}

/// An address where nobody listens.
pub async fn nobody() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
}

/// What an SMTP stub says at each point; an empty reply closes the connection, `hang` says nothing,
/// `bye ` before a reply closes after it.
#[derive(Clone, Copy)]
pub struct Script {
    pub greeting: &'static str,
    pub ehlo: &'static str,
    pub auth: &'static str,
    pub mail: &'static str,
    pub rcpt: &'static str,
    pub data: &'static str,
    pub content: &'static str,
}

pub const FRIENDLY: Script = Script {
    greeting: "220 stub",
    ehlo: "250-stub\r\n250 AUTH PLAIN",
    auth: "235 2.7.0 ok",
    mail: "250 2.1.0 ok",
    rcpt: "250 2.1.5 ok",
    data: "354 go ahead",
    content: "250 2.0.0 queued as 1",
};

pub async fn smtp(script: Script) -> Stub {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let heard = Arc::new(Mutex::new(Vec::new()));
    let mut tasks = JoinSet::new();
    let log = Arc::clone(&heard);
    tasks.spawn(async move {
        let mut sessions = JoinSet::new();
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            log.lock().unwrap().push("(connected)".to_owned());
            sessions.spawn(session(stream, script, Arc::clone(&log)));
        }
    });
    Stub { address, heard, _tasks: tasks }
}

async fn session(stream: TcpStream, script: Script, log: Arc<Mutex<Vec<String>>>) {
    let (read, mut write) = stream.into_split();
    let mut lines = BufReader::new(read).lines();
    let mut reply = script.greeting;
    let mut in_content = false;
    loop {
        match reply {
            "" => return,
            "hang" => std::future::pending().await,
            "(none)" => {}
            words if words.starts_with("bye ") => {
                let last = format!("{}\r\n", words.trim_start_matches("bye "));
                write.write_all(last.as_bytes()).await.unwrap();
                return;
            }
            words => write.write_all(format!("{words}\r\n").as_bytes()).await.unwrap(),
        }
        let Ok(Some(line)) = lines.next_line().await else { return };
        log.lock().unwrap().push(line.clone());
        reply = match line.split_whitespace().next().unwrap_or_default() {
            "." if in_content => {
                in_content = false;
                script.content
            }
            _ if in_content => "(none)",
            "EHLO" => script.ehlo,
            "AUTH" => script.auth,
            "MAIL" => script.mail,
            "RCPT" => script.rcpt,
            "DATA" => {
                in_content = script.data.starts_with('3');
                script.data
            }
            "QUIT" => "",
            _ => "250 ok",
        };
    }
}
