//! What a power loss leaves on disk.
//!
//! The disk writes whole sectors of 512 bytes. For each sector it holds some state that the sector
//! had in memory since it was last made durable: the state behind a durable write, or behind any
//! later one. The same holds for the length of a file. So a write that was not flushed may be
//! there, not there, or there in part, and a later one without an earlier one.
//!
//! A name has some meaning that it had since its directory was last made durable; names are
//! independent of each other, but for the two of a rename. A file whose name is lost is lost.

use std::collections::{BTreeMap, HashSet};

use crate::random::Random;
use crate::snapshot::Snapshot;
use crate::trace::{Effect, FileId, Trace};

const SECTOR: usize = 512;
const PAGE: usize = 4096;

/// A moment of a power loss and what becomes of that which was not durable.
#[derive(Debug)]
pub struct Cut {
    /// The ops before this one have happened.
    pub moment: usize,
    fate: Fate,
}

#[derive(Debug, Clone, Copy)]
enum Fate {
    Lost,
    Kept,
    /// Names and lengths are kept and what is in files is lost.
    MetadataKept,
    /// What is in files is kept, with their lengths, and names are lost.
    ContentKept,
    /// Of each op: kept, torn or lost.
    Mixed {
        kept: usize,
        torn: usize,
    },
    /// Kept from some op on.
    LaterKept {
        from: usize,
    },
    /// Kept up to some op.
    EarlierKept {
        before: usize,
    },
}

/// What becomes of one op.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Lost,
    Kept,
    /// The file is longer, or shorter, and holds what it held.
    LengthKept,
    Torn,
}

impl Cut {
    /// A moment of `trace` from `first` on, often an early one, one near a change of names, or one
    /// inside of a write that is durable when it returns.
    #[must_use]
    pub fn random(trace: &Trace, first: usize, random: &mut Random) -> Self {
        let moments = trace.len() + 1 - first;
        let one_of = |places: Vec<usize>, random: &mut Random| {
            places.get(random.below(places.len().max(1))).copied().unwrap_or(first)
        };
        let moment = match random.below(8) {
            0 => first + random.below(moments.min(25)),
            1 => first + random.below(moments.min(80)),
            2 | 3 => (one_of(trace.name_changes(), random) + random.below(12)).saturating_sub(2),
            4 => one_of(trace.writes_through(), random),
            _ => first + random.below(moments),
        };
        Self::at(moment.clamp(first, trace.len()), random)
    }

    /// A moment, with a random fate of what was not durable.
    #[must_use]
    pub fn at(moment: usize, random: &mut Random) -> Self {
        let recent = moment.saturating_sub(1 + random.below(24));
        let fate = match random.below(10) {
            0 => Fate::Lost,
            1 => Fate::Kept,
            8 => Fate::MetadataKept,
            9 => Fate::ContentKept,
            2 => Fate::LaterKept { from: recent },
            3 => Fate::EarlierKept { before: recent },
            4 | 5 => Fate::Mixed { kept: random.below(90), torn: random.below(60) },
            _ => Fate::Mixed { kept: 0, torn: 100 },
        };
        Self { moment, fate }
    }

    /// A moment with the fates that need no chance.
    #[must_use]
    pub fn plain(moment: usize) -> [Self; 4] {
        [Fate::Lost, Fate::Kept, Fate::MetadataKept, Fate::ContentKept]
            .map(|fate| Self { moment, fate })
    }

    /// A moment at which every write that was not durable is torn.
    #[must_use]
    pub fn torn(moment: usize) -> Self {
        Self { moment, fate: Fate::Mixed { kept: 0, torn: 100 } }
    }

    /// A moment with nothing lost: what a process finds whose predecessor was killed then.
    #[must_use]
    pub fn nothing_lost(moment: usize) -> Self {
        Self { moment, fate: Fate::Kept }
    }

    fn outcome(&self, op: usize, effect: &Effect, random: &mut Random) -> Outcome {
        let is_name = matches!(effect, Effect::Names(_));
        let kept_if = |kept| if kept { Outcome::Kept } else { Outcome::Lost };
        match self.fate {
            Fate::Lost => Outcome::Lost,
            Fate::Kept => Outcome::Kept,
            Fate::MetadataKept if is_name => Outcome::Kept,
            Fate::MetadataKept => Outcome::LengthKept,
            Fate::ContentKept => kept_if(!is_name),
            Fate::LaterKept { from } => kept_if(op >= from),
            Fate::EarlierKept { before } => kept_if(op < before),
            Fate::Mixed { torn, .. } if random.percent(torn) => Outcome::Torn,
            Fate::Mixed { kept, .. } => kept_if(random.percent(kept)),
        }
    }
}

/// A file in memory and on disk; both buffers may be longer than the file, with zeros.
#[derive(Debug, Default)]
struct Content {
    memory: Vec<u8>,
    disk: Vec<u8>,
    length: usize,
    disk_length: usize,
}

/// Zeros at the end, with room for more; `resize` goes byte by byte in a build for tests.
fn grow(bytes: &mut Vec<u8>, length: usize) {
    let mut grown = vec![0; length.next_power_of_two()];
    grown[..bytes.len()].copy_from_slice(bytes);
    *bytes = grown;
}

impl Content {
    fn set_length(&mut self, length: usize) {
        if length > self.memory.len() {
            grow(&mut self.memory, length);
            grow(&mut self.disk, length);
        }
        if length < self.length {
            self.memory[length..].fill(0);
        }
        self.length = length;
    }

    fn write(&mut self, offset: usize, bytes: &[u8]) {
        let end = offset + bytes.len();
        self.set_length(self.length.max(end));
        self.memory[offset..end].copy_from_slice(bytes);
    }

    fn punch(&mut self, offset: usize, length: usize) {
        let end = (offset + length).min(self.memory.len());
        self.memory[offset.min(end)..end].fill(0);
    }

    /// Brings the sectors of a range to the disk that `chosen` wants, by number in the range.
    fn persist(&mut self, offset: usize, length: usize, mut chosen: impl FnMut(usize) -> bool) {
        let end = (offset + length).min(self.memory.len());
        let first = offset / SECTOR;
        for sector in first..end.div_ceil(SECTOR) {
            if chosen(sector - first) {
                let range = sector * SECTOR..((sector + 1) * SECTOR).min(self.memory.len());
                self.disk[range.clone()].copy_from_slice(&self.memory[range]);
            }
        }
    }

    fn persist_length(&mut self) {
        if self.length < self.disk_length {
            self.disk[self.length..].fill(0);
        }
        self.disk_length = self.length;
    }
}

impl Trace {
    /// What a power loss leaves of the directory that was `base` when the trace began. Calls with
    /// an equal `random` give equal images.
    #[must_use]
    pub fn image(&self, base: &Snapshot, cut: &Cut, random: &mut Random) -> Snapshot {
        let mut names = Names::default();
        let mut files: Vec<Content> = self.directories.iter().map(|_| Content::default()).collect();
        for (path, file) in &self.present {
            let Some(content) = base.0.get(path) else { continue };
            names.meaning.insert(path.clone(), *file);
            if let Some(bytes) = content {
                files[*file].write(0, bytes);
                files[*file].persist(0, bytes.len(), |_| true);
                files[*file].persist_length();
            }
        }
        for (at, op) in self.ops[..cut.moment].iter().enumerate() {
            let is_durable = op.durable.is_some_and(|end| end < cut.moment);
            let outcome =
                if is_durable { Outcome::Kept } else { cut.outcome(at, &op.effect, random) };
            if let Effect::Names(changes) = &op.effect {
                let is_kept = match outcome {
                    Outcome::Torn => random.percent(50),
                    other => other == Outcome::Kept,
                };
                names.change(changes, is_kept);
            } else {
                change_content(&mut files, &op.effect, outcome, random);
            }
        }
        names.snapshot(&self.directories, &files)
    }
}

fn change_content(files: &mut [Content], effect: &Effect, outcome: Outcome, random: &mut Random) {
    let (file, offset, length) = match effect {
        Effect::Note(_) | Effect::Names(_) | Effect::Nothing => return,
        Effect::Length { file, length } => {
            files[*file].set_length(*length);
            (*file, 0, 0)
        }
        Effect::Punch { file, offset, length } => {
            files[*file].punch(*offset, *length);
            (*file, *offset, *length)
        }
        Effect::Write { file, offset, bytes } => {
            files[*file].write(*offset, bytes);
            (*file, *offset, bytes.len())
        }
    };
    let content = &mut files[file];
    match outcome {
        Outcome::Lost => {}
        Outcome::LengthKept => content.persist_length(),
        Outcome::Kept => {
            content.persist(offset, length, |_| true);
            content.persist_length();
        }
        Outcome::Torn => {
            let tear = Tear::random(length.div_ceil(SECTOR), random);
            content.persist(offset, length, |sector| tear.keeps(sector));
            if random.percent(50) {
                content.persist_length();
            }
        }
    }
}

/// Which sectors of a torn write reach the disk.
struct Tear {
    from: usize,
    to: usize,
    /// Sectors share the fate of their neighbours in units of so many.
    unit: usize,
    salt: Option<u64>,
}

impl Tear {
    fn random(sectors: usize, random: &mut Random) -> Self {
        let (edge, unit) = (random.below(sectors + 1), [1, PAGE / SECTOR][random.below(2)]);
        match random.below(4) {
            0 => Self { from: 0, to: edge, unit, salt: None },
            1 => Self { from: edge, to: usize::MAX, unit, salt: None },
            _ => Self { from: 0, to: usize::MAX, unit, salt: Some(random.any()) },
        }
    }

    fn keeps(&self, sector: usize) -> bool {
        let coin = |salt| Random::new(salt ^ (sector / self.unit) as u64).percent(50);
        (self.from..self.to).contains(&sector) && self.salt.is_none_or(coin)
    }
}

/// The names on disk.
#[derive(Debug, Default)]
struct Names {
    meaning: BTreeMap<String, FileId>,
    /// Names with a lost change: a later one builds on it, so it is lost as well.
    stuck: HashSet<String>,
}

impl Names {
    fn change(&mut self, changes: &[(String, Option<FileId>)], is_kept: bool) {
        if !is_kept || changes.iter().any(|(path, _)| self.stuck.contains(path)) {
            self.stuck.extend(changes.iter().map(|(path, _)| path.clone()));
            return;
        }
        for (path, file) in changes {
            match file {
                Some(file) => self.meaning.insert(path.clone(), *file),
                None => self.meaning.remove(path),
            };
        }
    }

    fn snapshot(&self, directories: &[bool], files: &[Content]) -> Snapshot {
        let mut snapshot = Snapshot::default();
        for (path, file) in self.meaning.iter().filter(|(path, _)| !path.is_empty()) {
            // A directory comes before what is in it.
            let is_found = |(parent, _)| matches!(snapshot.0.get(parent), Some(None));
            if !path.rsplit_once('/').is_none_or(is_found) {
                continue;
            }
            let content = &files[*file];
            let bytes = (!directories[*file]).then(|| content.disk[..content.disk_length].to_vec());
            snapshot.0.insert(path.clone(), bytes);
        }
        snapshot
    }
}
