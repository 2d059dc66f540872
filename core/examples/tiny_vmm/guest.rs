//! The machine that a program sees: a processor of ten instructions, a disk, a clock, a source of random numbers, a
//! keyboard. Answers of its monitor come in, what it needs goes out.
//!
//! It knows nothing of the world. Invariant: what it does next is a function of its program and of the answers so far.

use std::collections::VecDeque;

use blkreplay_core::engine::Released;
use blkreplay_core::request::{Digest, Operation};

/// Bytes of a sector.
pub(crate) const SECTOR: usize = 512;

/// Sectors of the disk that the guest uses.
pub(crate) const SECTORS: u64 = 64;

/// An instruction; numbers are registers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Instruction {
    /// Takes a key from the keyboard, and sleeps while there is none. The key 0 ends the program.
    Key(usize),
    /// Reads the time of day.
    Clock(usize),
    /// Draws a random number.
    Random(usize),
    /// Mixes the second into the first.
    Mix(usize, usize),
    /// Mixes a register into the buffer.
    Scramble(usize),
    /// Reads the sector that a register says into the buffer.
    Read(usize),
    /// Writes the buffer to the sector that a register says.
    Write(usize),
    /// Makes all writes durable.
    Flush,
    /// Sleeps while the disk works.
    Idle,
    /// Begins again.
    Again,
}

/// For each key: changes the sector that key, time and chance decide.
pub(crate) const PROGRAM: [Instruction; 13] = {
    use Instruction::{Again, Clock, Flush, Idle, Key, Mix, Random, Read, Scramble, Write};
    [
        Key(1),
        Clock(2),
        Random(3),
        Mix(0, 1),
        Mix(0, 2),
        Mix(0, 3),
        Read(0),
        Idle,
        Scramble(0),
        Write(0),
        Flush,
        Idle,
        Again,
    ]
};

/// The machine as its program sees it.
pub(crate) struct Guest {
    program: Vec<Instruction>,
    next: usize,
    pub(crate) registers: [u64; 4],
    pub(crate) buffer: [u8; SECTOR],
    /// Pressed, and not taken.
    pub(crate) keys: VecDeque<u64>,
    /// Requests that the disk has not completed.
    busy: u64,
}

/// What an instruction needs of the monitor.
pub(crate) enum Need {
    Nothing,
    Clock(usize),
    Random(usize),
    Disk(Operation, u64),
    /// It was not executed: nothing happens before an interrupt.
    Sleep,
    PowerOff,
}

impl Guest {
    pub(crate) fn new(program: &[Instruction]) -> Guest {
        let (registers, buffer) = ([0; 4], [0; SECTOR]);
        let program = program.to_vec();
        Guest { program, next: 0, registers, buffer, keys: VecDeque::new(), busy: 0 }
    }

    /// Executes the next instruction.
    pub(crate) fn step(&mut self) -> Need {
        let instruction = self.program[self.next];
        let mut need = Need::Nothing;
        match instruction {
            Instruction::Key(to) => match self.keys.pop_front() {
                None => return Need::Sleep,
                Some(0) => return Need::PowerOff,
                Some(key) => self.registers[to] = key,
            },
            Instruction::Idle if self.busy > 0 => return Need::Sleep,
            Instruction::Idle => {}
            Instruction::Clock(to) => need = Need::Clock(to),
            Instruction::Random(to) => need = Need::Random(to),
            Instruction::Mix(to, from) => {
                self.registers[to] = mix(self.registers[to], self.registers[from]);
            }
            Instruction::Scramble(from) => {
                let seed = self.registers[from];
                for (place, byte) in (0..).zip(&mut self.buffer) {
                    *byte ^= mix(seed, place).to_le_bytes()[0];
                }
            }
            Instruction::Read(at) => need = self.disk(Operation::Read, at),
            Instruction::Write(at) => need = self.disk(Operation::Write, at),
            Instruction::Flush => need = self.disk(Operation::Flush, 0),
            Instruction::Again => {
                self.next = 0;
                return need;
            }
        }
        self.next += 1;
        need
    }

    fn disk(&mut self, operation: Operation, at: usize) -> Need {
        self.busy += 1;
        Need::Disk(operation, self.registers[at] % SECTORS)
    }

    /// The disk interrupts: a request is complete.
    pub(crate) fn disk_done(&mut self, released: &Released) {
        self.busy -= 1;
        if released.request.operation == Operation::Read && released.result.is_ok() {
            self.buffer.copy_from_slice(&released.data);
        }
    }

    /// All that it has come to.
    pub(crate) fn digest(&self) -> Digest {
        let registers = self.registers.iter().flat_map(|register| register.to_le_bytes());
        Digest::of(&registers.chain(self.buffer).collect::<Vec<u8>>())
    }
}

fn mix(one: u64, other: u64) -> u64 {
    (one ^ other)
        .wrapping_add(0x9e37_79b9_7f4a_7c15)
        .wrapping_mul(0xbf58_476d_1ce4_e5b9)
        .rotate_left(31)
}
