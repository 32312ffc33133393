//! `--batch`: lines in, answers out, in order, on every core, in bounded memory.
//!
//! One thread cuts the input into blocks of whole lines, workers answer a block each in turn, and the caller
//! writes their answers in the same turn. What is there is answered at once: a program may wait for an answer
//! before it writes its next line.

use super::answer::Answer;
use super::line::{Desk, MAX_LINE_BYTES};
use crate::care::ZoneRules;
use crate::cli::Failure;
use anyhow::Context as _;
use std::io::{ErrorKind, Read, Write};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

/// Read at once, at most.
const BLOCK_BYTES: usize = 256 << 10;
/// Blocks and answers that wait between two threads.
const WAITING: usize = 2;

/// Answers every line of `input`.
///
/// # Errors
/// When the input cannot be read or nobody takes the answers; never for what a line says.
pub(super) fn run(
    input: impl Read + Send,
    output: &mut impl Write,
    zones: &dyn ZoneRules,
) -> Result<(), Failure> {
    let workers = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        let (mut blocks, mut answers) = (Vec::new(), Vec::new());
        for _ in 0..workers {
            let (block_to, block_from) = sync_channel(WAITING);
            let (piece_to, piece_from) = sync_channel(WAITING);
            blocks.push(block_to);
            answers.push(piece_from);
            scope.spawn(move || work(&block_from, &piece_to, zones));
        }
        let reader = scope.spawn(move || deal(Blocks::new(input), &blocks));
        write_in_turn(&answers, output).map_err(Failure::unwritten)?;
        drop(answers);
        let read = reader.join().map_err(|_| anyhow::anyhow!("the reader of the batch broke"))?;
        Ok(read.context("failed to read the batch")?)
    })
}

/// What a worker is given.
enum Block {
    /// Whole lines.
    Lines(Vec<u8>),
    /// The beginning of a line that is too long.
    TooLong(Vec<u8>),
}

/// What a worker gives.
enum Piece {
    /// Answers, and more of the same block will follow.
    Part(Vec<u8>),
    /// The last answers of a block.
    Last(Vec<u8>),
}

/// Hands block after block to the workers in turn, until the input ends or nobody takes them.
fn deal(mut input: Blocks<impl Read>, workers: &[SyncSender<Block>]) -> std::io::Result<()> {
    for worker in workers.iter().cycle() {
        let Some(block) = input.next()? else { break };
        if worker.send(block).is_err() {
            break;
        }
    }
    Ok(())
}

fn work(blocks: &Receiver<Block>, pieces: &SyncSender<Piece>, zones: &dyn ZoneRules) {
    let mut desk = Desk::new(zones);
    for block in blocks {
        let mut move_on = |bytes| {
            // When nobody writes answers any more, the next block's end is the end.
            let _ = pieces.send(Piece::Part(bytes));
        };
        let mut answer = Answer::new(&mut move_on);
        match block {
            Block::Lines(lines) => {
                lines.split(|byte| *byte == b'\n').for_each(|line| desk.answer(line, &mut answer));
            }
            Block::TooLong(beginning) => Desk::refuse_long(&beginning, &mut answer),
        }
        if pieces.send(Piece::Last(answer.rest())).is_err() {
            return;
        }
    }
}

/// Writes the workers' answers in turn, until one has no more.
fn write_in_turn(workers: &[Receiver<Piece>], output: &mut impl Write) -> std::io::Result<()> {
    for worker in workers.iter().cycle() {
        loop {
            match worker.recv() {
                Ok(Piece::Part(bytes)) => output.write_all(&bytes)?,
                Ok(Piece::Last(bytes)) => {
                    output.write_all(&bytes)?;
                    output.flush()?;
                    break;
                }
                Err(_) => return Ok(()),
            }
        }
    }
    Ok(())
}

/// The input in blocks of whole lines.
struct Blocks<R> {
    input: R,
    /// What was read and not yet given.
    held: Vec<u8>,
}

impl<R: Read> Blocks<R> {
    const fn new(input: R) -> Self {
        Self { input, held: Vec::new() }
    }

    /// What can be given without waiting for more than one whole line; `None` at the end.
    fn next(&mut self) -> std::io::Result<Option<Block>> {
        let mut searched = 0;
        loop {
            if let Some(last) = self.held[searched..].iter().rposition(|byte| *byte == b'\n') {
                let rest = self.held.split_off(searched + last + 1);
                return Ok(Some(Block::Lines(std::mem::replace(&mut self.held, rest))));
            }
            searched = self.held.len();
            if searched > MAX_LINE_BYTES {
                let beginning = std::mem::take(&mut self.held);
                self.skip_line()?;
                return Ok(Some(Block::TooLong(beginning)));
            }
            if self.fill()? == 0 {
                let rest = std::mem::take(&mut self.held);
                return Ok((!rest.is_empty()).then_some(Block::Lines(rest)));
            }
        }
    }

    /// Reads to the end of a line and forgets it.
    fn skip_line(&mut self) -> std::io::Result<()> {
        loop {
            self.held.clear();
            if self.fill()? == 0 {
                return Ok(());
            }
            if let Some(end) = self.held.iter().position(|byte| *byte == b'\n') {
                self.held.drain(..=end);
                return Ok(());
            }
        }
    }

    /// Reads what is there, and waits only when nothing is.
    fn fill(&mut self) -> std::io::Result<usize> {
        let start = self.held.len();
        self.held.resize(start + BLOCK_BYTES, 0);
        let read = loop {
            match self.input.read(&mut self.held[start..]) {
                Err(fault) if fault.kind() == ErrorKind::Interrupted => {}
                other => break other,
            }
        };
        self.held.truncate(start + *read.as_ref().unwrap_or(&0));
        read
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives at most so many bytes at a time.
    struct Drip<'a>(&'a [u8], usize);

    impl Read for Drip<'_> {
        fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
            let count = self.1.min(self.0.len()).min(into.len());
            let (now, later) = self.0.split_at(count);
            into[..count].copy_from_slice(now);
            self.0 = later;
            Ok(count)
        }
    }

    #[test]
    fn the_input_is_cut_at_line_ends_and_nothing_is_lost() {
        let text = b"one\ntwo\n\nthree";
        for step in 1..=text.len() {
            let (mut blocks, mut read) = (Blocks::new(Drip(text, step)), Vec::new());
            while let Some(block) = blocks.next().unwrap() {
                let Block::Lines(lines) = block else { continue };
                assert!(lines.ends_with(b"\n") || lines.ends_with(b"three"), "{step}");
                read.extend(lines);
            }
            assert_eq!(read, text, "{step}");
        }
    }

    #[test]
    fn a_line_that_is_too_long_is_forgotten_and_the_next_is_not() {
        let long = vec![b'x'; 3 * MAX_LINE_BYTES];
        let text = [b"one\n".as_slice(), &long, b"\ntwo\n"].concat();
        let mut blocks = Blocks::new(text.as_slice());
        let mut shown = Vec::new();
        while let Some(block) = blocks.next().unwrap() {
            assert!(blocks.held.capacity() < 2 * MAX_LINE_BYTES);
            shown.push(match block {
                Block::Lines(lines) => String::from_utf8(lines).unwrap(),
                Block::TooLong(beginning) => {
                    assert!(beginning.len() < MAX_LINE_BYTES + 2 * BLOCK_BYTES);
                    "too long".to_owned()
                }
            });
        }
        assert_eq!(shown, ["one\n", "too long", "two\n"]);
    }
}
