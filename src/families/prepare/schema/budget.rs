//! How much may be made of the schemas of one request.

/// What is made of all schemas together may be this much longer than they are.
const GROWTH: usize = 512 << 10;
/// References that are followed, over all schemas of a request.
const HOPS: usize = 10_000;

/// What is left of the bounds on a request's schemas. Every byte that is copied and every reference that is followed
/// is taken from it, so time and memory are at most a multiple of what the client sent.
#[derive(Debug)]
pub(in crate::families::prepare) struct Budget {
    bytes: usize,
    hops: usize,
}

/// The budget is used up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Exhausted;

impl Budget {
    pub(in crate::families::prepare) fn new() -> Self {
        Self { bytes: GROWTH, hops: HOPS }
    }

    /// Makes room for what the client itself has written.
    pub(super) fn allow(&mut self, bytes: usize) {
        self.bytes = self.bytes.saturating_add(bytes);
    }

    /// Takes as many bytes, or steps that cost about as much as copying one.
    pub(super) fn bytes(&mut self, bytes: usize) -> Result<(), Exhausted> {
        self.bytes = self.bytes.checked_sub(bytes).ok_or(Exhausted)?;
        Ok(())
    }

    /// Takes one reference, which has to be read to be followed.
    pub(super) fn hop(&mut self, pointer: &str) -> Result<(), Exhausted> {
        self.hops = self.hops.checked_sub(1).ok_or(Exhausted)?;
        self.bytes(pointer.len())
    }
}
