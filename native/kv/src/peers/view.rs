//! A follower's view of the committed state at one version.

use std::sync::Arc;

use super::PageSize;
use super::link::Link;
use super::wire::RangeRequest;
use crate::error::{Error, Result, code};
use crate::keys::key_after;
use crate::merge::{Merge, Source, Walk};
use crate::pending::Pending;
use crate::types::split_pair;
use crate::write_map::{NEWEST, WriteMap};

/// See the module's header.
#[derive(Debug)]
pub(crate) struct RemoteView {
    pub(crate) link: Arc<Link>,
    pub(crate) version: i64,
}

impl RemoteView {
    pub(crate) fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        self.link.get(self.version, key)
    }

    /// Runs `read` over the pairs in a range, with a transaction's writes on top. Pages of pairs
    /// are asked for as `read` walks on; `page` is the first one's size.
    pub(crate) fn with_pairs<R>(
        &self,
        walk: Walk<'_>,
        page: PageSize,
        own: Option<&WriteMap<Pending>>,
        read: impl FnOnce(&mut dyn Source) -> Result<R>,
    ) -> Result<R> {
        let committed = RemoteCursor::open(self, walk, page)?;
        let mut pairs = Merge::new(own, committed, Walk { at: NEWEST, ..walk })?;
        read(&mut pairs)
    }
}

/// Where the pair that a cursor stands on lies in its page.
#[derive(Debug, Clone, Copy)]
struct Place {
    key: usize,
    value: usize,
    end: usize,
}

/// A walk over a range in the owner's store, a page at a time.
#[derive(Debug)]
struct RemoteCursor<'v> {
    view: &'v RemoteView,
    /// The part of the range behind the page.
    begin: Vec<u8>,
    end: Vec<u8>,
    reverse: bool,
    size: PageSize,
    page: Vec<u8>,
    /// The owner has more behind the page.
    more: bool,
    place: Option<Place>,
}

impl<'v> RemoteCursor<'v> {
    fn open(view: &'v RemoteView, walk: Walk<'_>, size: PageSize) -> Result<Self> {
        let Walk { begin, end, reverse, .. } = walk;
        let (begin, end) = (begin.to_vec(), end.to_vec());
        let mut cursor =
            Self { view, begin, end, reverse, size, page: Vec::new(), more: true, place: None };
        cursor.fetch()?;
        Ok(cursor)
    }

    /// Asks for the next page and stands on its first pair.
    fn fetch(&mut self) -> Result<()> {
        self.place = None;
        if !self.more || self.begin >= self.end {
            return Ok(());
        }
        let request = RangeRequest {
            version: self.view.version,
            begin: &self.begin,
            end: &self.end,
            reverse: self.reverse,
            pairs: self.size.pairs,
            bytes: self.size.bytes,
        };
        self.more = self.view.link.page(request, &mut self.page)?;
        self.size = self.size.doubled();
        self.stand_at(0)
    }

    /// Stands on the pair at `offset` of the page.
    fn stand_at(&mut self, offset: usize) -> Result<()> {
        let rest = self.page.get(offset..).unwrap_or_default();
        if rest.is_empty() {
            return Ok(());
        }
        let (key, value, behind) = split_pair(rest).ok_or(Error::new(code::OPERATION_FAILED))?;
        let end = self.page.len() - behind.len();
        let value_at = end - value.len();
        self.place = Some(Place { key: value_at - key.len(), value: value_at, end });
        Ok(())
    }

    fn is_at_page_end(&self) -> bool {
        self.place.is_none_or(|place| place.end == self.page.len())
    }
}

impl Source for RemoteCursor<'_> {
    fn current(&self) -> Option<(&[u8], &[u8])> {
        let Place { key, value, end } = self.place?;
        Some((self.page.get(key..value)?, self.page.get(value..end)?))
    }

    fn advance(&mut self) -> Result<()> {
        let Some(place) = self.place else { return Ok(()) };
        if !self.is_at_page_end() {
            return self.stand_at(place.end);
        }
        let key = self.page.get(place.key..place.value).unwrap_or_default();
        if self.reverse {
            self.end = key.to_vec();
        } else {
            self.begin = key_after(key);
        }
        self.fetch()
    }

    fn seek(&mut self, bound: &[u8]) -> Result<()> {
        while let Some((key, _)) = self.current() {
            if if self.reverse { key < bound } else { key >= bound } {
                return Ok(());
            }
            if !self.is_at_page_end() {
                self.advance()?;
                continue;
            }
            if self.reverse {
                self.end = bound.to_vec();
            } else {
                self.begin = bound.to_vec();
            }
            self.fetch()?;
        }
        Ok(())
    }
}
