//! The one list that everything durable is told in: append-only, hash-chained, one file an entry (`<10 digits>.json`).
//!
//! An entry is canonical JSON: `seq`, `at`, `epoch`, `nonce`, `prev`, `hash`, `body`. `hash` is over the bytes without `hash`,
//! `prev` is the entry before. Journal, scope journal, log and values are such lists and differ in what they do on losing
//! entry n+1 to somebody else: a journal folds it and tries again ([`Chain::append`]), a log's writer stops
//! ([`Chain::append_exclusive`]).

mod entry;

pub(crate) use entry::path as entry_path;
pub use entry::{Entry, Head};

use crate::backend::{Created, Store};
use crate::error::{Damage, StoreError};
use futures::StreamExt;
use object_store::path::Path;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::marker::PhantomData;

/// How many entries are read at once.
const READ_AHEAD: usize = 8;

/// What appending to a list with several writers came to.
pub(crate) enum Appended<B> {
    /// It is the last entry now.
    Written(Entry<B>),
    /// Others wrote these meanwhile, and nothing was appended: fold them, judge again, append again.
    Behind(Vec<Entry<B>>),
}

/// A list, read up to its head.
#[derive(Debug)]
pub(crate) struct Chain<B> {
    store: Store,
    dir: Path,
    head: Head,
    body: PhantomData<fn() -> B>,
}

impl<B: Serialize + DeserializeOwned> Chain<B> {
    /// Reads all of it. A damaged or missing entry is an error that names it.
    pub async fn open(store: &Store, dir: Path) -> Result<(Chain<B>, Vec<Entry<B>>), StoreError> {
        let mut entries = Vec::new();
        let chain = Chain::open_after(store, dir, Head::START, |entry| entries.push(entry)).await?;
        Ok((chain, entries))
    }

    /// A list of which this head is known; nothing is read.
    pub fn at(store: &Store, dir: Path, head: Head) -> Chain<B> {
        Chain {
            store: store.clone(),
            dir,
            head,
            body: PhantomData,
        }
    }

    /// Reads what comes after a head that is known to be good, handing over one entry after another.
    pub async fn open_after(
        store: &Store,
        dir: Path,
        from: Head,
        mut each: impl FnMut(Entry<B>),
    ) -> Result<Chain<B>, StoreError> {
        let mut chain = Chain::at(store, dir, from);
        let last = chain.listed().await?.last().copied().unwrap_or(0);
        chain.read_up_to(last, &mut each).await?;
        for entry in chain.refresh().await? {
            each(entry);
        }
        Ok(chain)
    }

    /// Reads from the end back to the newest entry for which `enough` holds, oldest first. What lies before is not looked at.
    pub async fn open_tail(
        store: &Store,
        dir: Path,
        enough: impl Fn(&Entry<B>) -> bool,
    ) -> Result<(Chain<B>, Vec<Entry<B>>), StoreError> {
        let mut chain = Chain::at(store, dir, Head::START);
        let mut tail: Vec<Entry<B>> = Vec::new();
        let mut seq = chain.listed().await?.last().copied().unwrap_or(0);
        while seq > 0 {
            let entry = chain.read_entry(seq).await?.ok_or_else(|| chain.missing(seq))?;
            if let Some(next) = tail.last()
                && next.prev != entry.hash
            {
                return Err(chain.broken(next.seq).into());
            }
            let stop = enough(&entry);
            tail.push(entry);
            if stop {
                break;
            }
            seq -= 1;
        }
        tail.reverse();
        if let Some(last) = tail.last() {
            chain.head = last.head();
        }
        tail.extend(chain.refresh().await?);
        Ok((chain, tail))
    }

    /// Reads a list whose beginning may have been compacted away: the first entry that is there is taken as the first.
    pub async fn open_compacted(store: &Store, dir: Path) -> Result<(Chain<B>, Vec<Entry<B>>), StoreError> {
        let mut chain = Chain::at(store, dir, Head::START);
        let mut entries = Vec::new();
        let listed = chain.listed().await?;
        if let (Some(&first), Some(&last)) = (listed.first(), listed.last()) {
            let entry = chain.read_entry(first).await?.ok_or_else(|| chain.missing(first))?;
            chain.head = entry.head();
            entries.push(entry);
            chain.read_up_to(last, &mut |entry| entries.push(entry)).await?;
        }
        entries.extend(chain.refresh().await?);
        Ok((chain, entries))
    }

    /// Reads all that is there, whatever is damaged, and names each damage. `first`: what the list has to begin with; `None`
    /// where its beginning may have been compacted away.
    pub async fn scan(store: &Store, dir: Path, first: Option<u64>) -> Result<(Vec<Entry<B>>, Vec<Damage>), StoreError> {
        let chain = Chain::at(store, dir, Head::START);
        let listed = chain.listed().await?;
        let (mut entries, mut damages) = (Vec::new(), Vec::new());
        let Some(&last) = listed.last() else {
            return Ok((entries, damages));
        };
        let first = first.or(listed.first().copied()).unwrap_or(1);
        // The hash that the next entry has to name; unknown after a damaged one.
        let mut prev = (first == 1).then_some(Head::START.hash);
        for seq in first..=last {
            match chain.read_entry(seq).await {
                Ok(Some(entry)) => {
                    if prev.is_some_and(|prev| prev != entry.prev) {
                        damages.push(chain.broken(seq));
                    }
                    prev = Some(entry.hash);
                    entries.push(entry);
                }
                Ok(None) => {
                    damages.push(chain.missing(seq));
                    prev = None;
                }
                Err(StoreError::Damaged(damage)) => {
                    damages.push(damage);
                    prev = None;
                }
                Err(other) => return Err(other),
            }
        }
        Ok((entries, damages))
    }

    /// The numbers of the entries that a listing shows, sorted.
    pub async fn listed(&self) -> Result<Vec<u64>, StoreError> {
        let names = self.store.list(&self.dir).await?;
        let mut numbers: Vec<u64> = names.iter().filter_map(|(name, _)| entry::number_of(name)).collect();
        numbers.sort_unstable();
        Ok(numbers)
    }

    async fn read_up_to(&mut self, last: u64, each: &mut impl FnMut(Entry<B>)) -> Result<(), StoreError> {
        let numbers = self.head.seq + 1..=last;
        let (store, dir) = (self.store.clone(), self.dir.clone());
        let mut reads = futures::stream::iter(numbers)
            .map(|seq| {
                let (store, path) = (store.clone(), entry::path(&dir, seq));
                async move { (seq, store.read(&path).await) }
            })
            .buffered(READ_AHEAD);
        while let Some((seq, bytes)) = reads.next().await {
            let bytes = bytes?.ok_or_else(|| self.missing(seq))?;
            let entry = entry::parse(&entry::path(&self.dir, seq), seq, &bytes)?;
            self.advance(&entry)?;
            each(entry);
        }
        Ok(())
    }

    /// Picks up what others have appended: one read where there is nothing.
    pub async fn refresh(&mut self) -> Result<Vec<Entry<B>>, StoreError> {
        let mut found = Vec::new();
        while let Some(entry) = self.read_entry(self.head.seq + 1).await? {
            self.advance(&entry)?;
            found.push(entry);
        }
        Ok(found)
    }

    /// One entry by itself: its own hash is checked, its place in the chain is not. `None` where there is none.
    pub async fn read_entry(&self, seq: u64) -> Result<Option<Entry<B>>, StoreError> {
        let path = entry::path(&self.dir, seq);
        match self.store.read(&path).await? {
            Some(bytes) => Ok(Some(entry::parse(&path, seq, &bytes)?)),
            None => Ok(None),
        }
    }

    /// Appends, unless somebody else was first.
    pub async fn append(&mut self, epoch: u64, body: B) -> Result<Appended<B>, StoreError> {
        let (entry, bytes) = entry::seal(self.head, self.store.clock().now(), epoch, self.store.nonce(), body)?;
        match self.store.create(&entry::path(&self.dir, entry.seq), bytes.into()).await? {
            Created::Mine => {
                self.head = entry.head();
                Ok(Appended::Written(entry))
            }
            Created::Theirs(_) => Ok(Appended::Behind(self.refresh().await?)),
        }
    }

    /// Appends as the only one who may: finding an entry of anybody else there means that another host took over.
    pub async fn append_exclusive(&mut self, epoch: u64, body: B) -> Result<Entry<B>, StoreError> {
        match self.append(epoch, body).await? {
            Appended::Written(entry) => Ok(entry),
            Appended::Behind(_) => Err(StoreError::Lost {
                what: entry::path(&self.dir, self.head.seq).to_string(),
            }),
        }
    }

    /// Where it stands.
    pub fn head(&self) -> Head {
        self.head
    }

    /// Its folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    fn advance(&mut self, entry: &Entry<B>) -> Result<(), Damage> {
        if entry.prev != self.head.hash {
            return Err(self.broken(entry.seq));
        }
        self.head = entry.head();
        Ok(())
    }

    pub fn missing(&self, seq: u64) -> Damage {
        Damage::new(
            entry::path(&self.dir, seq),
            "it is missing, and later entries are there",
            "bring it back from a copy of the store",
        )
    }

    fn broken(&self, seq: u64) -> Damage {
        Damage::new(
            entry::path(&self.dir, seq),
            "it does not follow the entry before it",
            "one of the two is not what was written: compare both with a copy of the store",
        )
    }
}
