//! One word from one to another, as `tokio::sync::oneshot` carries it, out of loom's own parts.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use loom::future::AtomicWaker;
use loom::sync::{Arc, Mutex};

struct Shared<T> {
    word: Mutex<Word<T>>,
    listener: AtomicWaker,
}

enum Word<T> {
    Unsaid,
    Said(T),
    /// Taken, or never to come.
    Over,
}

pub struct Sender<T>(Arc<Shared<T>>);

pub struct Receiver<T>(Arc<Shared<T>>);

#[derive(Debug)]
pub struct Closed;

pub fn channel<T>() -> (Sender<T>, Receiver<T>) {
    let shared = Arc::new(Shared { word: Mutex::new(Word::Unsaid), listener: AtomicWaker::new() });
    (Sender(Arc::clone(&shared)), Receiver(shared))
}

impl<T> Sender<T> {
    pub fn send(self, word: T) -> Result<(), T> {
        *self.0.word.lock().unwrap() = Word::Said(word);
        self.0.listener.wake();
        Ok(())
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        let mut word = self.0.word.lock().unwrap();
        if matches!(*word, Word::Unsaid) {
            *word = Word::Over;
            drop(word);
            self.0.listener.wake();
        }
    }
}

impl<T> Receiver<T> {
    pub fn try_recv(&mut self) -> Result<T, Closed> {
        let mut word = self.0.word.lock().unwrap();
        match std::mem::replace(&mut *word, Word::Over) {
            Word::Said(said) => Ok(said),
            Word::Unsaid => {
                *word = Word::Unsaid;
                Err(Closed)
            }
            Word::Over => Err(Closed),
        }
    }
}

impl<T> Future for Receiver<T> {
    type Output = Result<T, Closed>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.listener.register_by_ref(cx.waker());
        if matches!(*self.0.word.lock().unwrap(), Word::Unsaid) {
            return Poll::Pending;
        }
        Poll::Ready(self.try_recv())
    }
}
