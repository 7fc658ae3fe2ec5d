//! A ticket system to test farelog against. It is no part of farelog and shares no code with it: it knows what
//! `docs/ticket-systems.md` says, and is the example of a system that keeps to it.
//!
//! It reads from the stream `FARELOG` which tickets are to be made and which are void, keeps books of its own, and answers on
//! `orders.<orderId>`. It makes most tickets and fails at some; it answers late, in another order and sometimes twice; it
//! takes some tickets into use and cancels some by itself. All of that by chance, and for one seed and ticket always the
//! same, however often it is killed: its journal says what it was told and what it has said, and all else follows.
//!
//! - [`command`]: the command line.
//! - [`fact`]: what farelog tells it.
//! - [`answer`]: what it says.
//! - [`temper`]: what it does by chance, and the faults that a test can give it.
//! - [`ticket`]: one ticket, and what moves it.
//! - [`books`]: all tickets, and what is still to be said and done.
//! - [`journal`]: the file that the books are made of.
//! - [`service`]: the loop between the broker and the books.

pub mod answer;
pub mod books;
pub mod command;
pub mod fact;
pub mod journal;
pub mod service;
pub mod temper;
pub mod ticket;

#[cfg(test)]
mod tests;
