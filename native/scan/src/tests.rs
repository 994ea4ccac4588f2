use std::path::Path;
use std::sync::Arc;

use kronotop_segment::faulty::FaultyIo;
use kronotop_segment::{Volume, VolumeOptions};
use proptest::prelude::*;

use super::*;

const PREFIX: &[u8] = b"prefix";
const SEGMENT_SIZE: u64 = 1 << 20;

/// A batch over two shards, with the documents that it points at.
struct Batch {
    io: FaultyIo,
    volumes: Volumes,
    packed: Vec<u8>,
    documents: Vec<Vec<u8>>,
    pointers: Vec<Pointer>,
}

fn volume(io: &FaultyIo, shard: u16) -> Arc<Volume> {
    let options = VolumeOptions { segment_size: SEGMENT_SIZE, preallocate_bytes: 1 << 16 };
    let directory = format!("/{shard}");
    let volume = Volume::open(Arc::new(io.clone()), Path::new(&directory), options).unwrap();
    volume.create_segment(0).unwrap();
    volume.activate(0, 0).unwrap();
    Arc::new(volume)
}

fn id(number: usize) -> [u8; ID_BYTES] {
    let mut id = [0xee; ID_BYTES];
    id[8..].copy_from_slice(&(number as u32).to_be_bytes());
    id
}

impl Batch {
    /// Documents `{n: i, pad: "…"}` with pads of the given lengths, on shards 3 and 7 in turn.
    fn new(pads: &[usize]) -> Self {
        let io = FaultyIo::new();
        let volumes = Volumes::from([(3, volume(&io, 3)), (7, volume(&io, 7))]);
        let mut batch =
            Batch { io, volumes, packed: Vec::new(), documents: Vec::new(), pointers: Vec::new() };
        for (number, &pad) in pads.iter().enumerate() {
            let document = bson::doc! { "n": number as i32, "pad": "p".repeat(pad) };
            batch.add(document.to_vec().unwrap());
        }
        batch
    }

    fn add(&mut self, body: Vec<u8>) {
        let number = self.documents.len();
        let shard = if number.is_multiple_of(2) { 3 } else { 7 };
        let volume = &self.volumes[&shard];
        let location = volume.append(&body, &[body.len() as u32]).unwrap()[0];
        let pointer = Pointer { shard, location };
        self.add_pair(&[PREFIX, &id(number)].concat(), &pointer.encode());
        self.documents.push(body);
        self.pointers.push(pointer);
    }

    fn add_pair(&mut self, key: &[u8], value: &[u8]) {
        for part in [key, value] {
            self.packed.extend_from_slice(&(part.len() as u32).to_le_bytes());
        }
        self.packed.extend_from_slice(key);
        self.packed.extend_from_slice(value);
    }

    fn request(&self, format: Format) -> Request<'_> {
        Request {
            packed: &self.packed,
            count: self.documents.len(),
            id_offset: PREFIX.len() as isize,
            filter: None,
            format,
            max_results: usize::MAX,
            may_repeat: false,
        }
    }

    fn scan(&self, request: &Request<'_>) -> Result<Output, Error> {
        scan(request, &self.volumes, None)
    }
}

fn results(output: &Output) -> Vec<&[u8]> {
    let starts = std::iter::once(0).chain(output.ends.iter().copied());
    starts
        .zip(&output.ends)
        .map(|(from, &to)| &output.payload[from as usize..to as usize])
        .collect()
}

#[test]
fn returns_documents_of_several_shards_in_the_order_of_the_pairs() {
    let batch = Batch::new(&[10, 2000, 0, 5, 300]);
    let output = batch.scan(&batch.request(Format::Bson)).unwrap();
    assert_eq!(output.examined, 5);
    assert_eq!(results(&output), batch.documents);
    assert_eq!(output.matches, [0, 1, 2, 3, 4]);
}

#[test]
fn encodes_json() {
    let batch = Batch::new(&[1, 2]);
    let output = batch.scan(&batch.request(Format::Json)).unwrap();
    let texts: Vec<_> = results(&output).into_iter().map(String::from_utf8_lossy).collect();
    let parsed: Vec<_> = texts
        .iter()
        .map(|text| kronotop_document::json_to_bson(text.as_bytes()).unwrap())
        .collect();
    assert_eq!(parsed, batch.documents);
}

#[test]
fn stops_at_the_limit_and_says_how_far_it_came() {
    let batch = Batch::new(&[1; 10]);
    let request = Request { max_results: 3, ..batch.request(Format::Bson) };
    let output = batch.scan(&request).unwrap();
    assert_eq!(output.examined, 3);
    assert_eq!(results(&output), &batch.documents[..3]);
    assert_eq!(batch.scan(&Request { max_results: 0, ..request }).unwrap(), Output::default());
}

#[test]
fn takes_ids_from_the_keys_without_reading_bodies() {
    let mut batch = Batch::new(&[1; 4]);
    batch.volumes.clear();
    for id_offset in [PREFIX.len() as isize, -(ID_BYTES as isize)] {
        let request = Request { id_offset, max_results: 3, ..batch.request(Format::Ids) };
        let output = batch.scan(&request).unwrap();
        assert_eq!(results(&output), [id(0), id(1), id(2)]);
    }
}

#[test]
fn keeps_what_the_filter_keeps() {
    let batch = Batch::new(&[1; 6]);
    let filter = greater_than(3);
    let request = Request { filter: Some(&filter), ..batch.request(Format::Ids) };
    let output = batch.scan(&request).unwrap();
    assert_eq!(output.examined, 6);
    assert_eq!(output.matches, [4, 5]);
    assert_eq!(results(&output), [id(4), id(5)]);

    let output = batch.scan(&Request { max_results: 1, ..request }).unwrap();
    assert_eq!((output.examined, output.matches), (5, vec![4]));
}

#[test]
fn names_the_damaged_document() {
    let batch = Batch::new(&[50; 6]);
    let pointer = batch.pointers[3];
    let path = batch.volumes[&7].path(0);
    batch.io.damage(&path, u64::from(pointer.location.position) + 20).unwrap();
    let error = batch.scan(&batch.request(Format::Bson)).unwrap_err();
    assert!(matches!(error, Error::Damaged { index: 3, .. }), "{error}");
    let request = Request { max_results: 3, ..batch.request(Format::Bson) };
    assert_eq!(batch.scan(&request).unwrap().examined, 3);
}

#[test]
fn a_body_that_is_no_document_is_damaged() {
    let mut batch = Batch::new(&[1]);
    batch.add(b"nothing".to_vec());
    let error = batch.scan(&batch.request(Format::Json)).unwrap_err();
    assert!(matches!(error, Error::Damaged { index: 1, .. }), "{error}");
}

#[test]
fn refuses_what_is_no_batch() {
    let mut batch = Batch::new(&[1, 1]);
    let whole = batch.request(Format::Bson);
    let cut = Request { packed: &batch.packed[..batch.packed.len() - 1], ..whole };
    assert!(matches!(batch.scan(&cut), Err(Error::Packed)));
    assert!(matches!(batch.scan(&Request { count: 3, ..whole }), Err(Error::Packed)));
    let far = Request { id_offset: 7, ..batch.request(Format::Ids) };
    assert!(matches!(batch.scan(&far), Err(Error::Id { index: 0 })));
    let before = Request { id_offset: -100, ..batch.request(Format::Ids) };
    assert!(matches!(batch.scan(&before), Err(Error::Id { index: 0 })));

    batch.add_pair(b"key", b"no pointer");
    let request = Request { count: 3, ..batch.request(Format::Bson) };
    assert!(matches!(batch.scan(&request), Err(Error::Pointer { index: 2 })));

    batch.volumes.remove(&7);
    let error = batch.scan(&batch.request(Format::Bson)).unwrap_err();
    assert!(matches!(error, Error::UnknownShard { index: 1, shard: 7 }), "{error}");
}

#[test]
fn stops_when_the_payload_is_large() {
    let mut batch = Batch::new(&[500_000]);
    let pointer = batch.pointers[0].encode();
    for number in 1..400 {
        batch.add_pair(&[PREFIX, &id(number)].concat(), &pointer);
    }
    let output = batch.scan(&Request { count: 400, ..batch.request(Format::Bson) }).unwrap();
    let size = batch.documents[0].len();
    assert!(output.payload.len() >= PAYLOAD_LIMIT_BYTES);
    assert!(output.payload.len() < PAYLOAD_LIMIT_BYTES + size);
    assert_eq!(output.examined, output.matches.len());
}

proptest! {
    #[test]
    fn a_batch_in_parts_equals_a_batch_at_once(
        pads in prop::collection::vec(0..3000usize, 0..600),
        step in 1..100usize,
    ) {
        let mut batch = Batch::new(&[]);
        // A shard's segment holds what is not more than half of its size.
        let total = |total: &mut usize, &pad: &usize| {
            *total += pad;
            (*total < SEGMENT_SIZE as usize / 2).then_some(pad)
        };
        for pad in pads.iter().scan(0, total) {
            let number = batch.documents.len() as i32;
            batch.add(bson::doc! { "n": number, "pad": "p".repeat(pad) }.to_vec().unwrap());
        }
        let whole = batch.scan(&batch.request(Format::Bson)).unwrap();
        prop_assert_eq!(results(&whole), &batch.documents[..]);

        let pair_bytes = 8 + PREFIX.len() + ID_BYTES + POINTER_BYTES;
        let mut parts: Vec<Vec<u8>> = Vec::new();
        while parts.len() < batch.documents.len() {
            let request = Request {
                packed: &batch.packed[parts.len() * pair_bytes..],
                count: batch.documents.len() - parts.len(),
                max_results: step,
                ..batch.request(Format::Bson)
            };
            let part = batch.scan(&request).unwrap();
            parts.extend(results(&part).into_iter().map(<[u8]>::to_vec));
        }
        prop_assert_eq!(parts, batch.documents);
    }
}

/// A filter that keeps documents whose `n` is greater than a number.
fn greater_than(number: i32) -> Filter {
    let program = bson::doc! { "n": "cmp", "p": "n", "o": "gt", "v": number };
    Filter::parse(&program.to_vec().unwrap()).unwrap()
}

#[test]
fn a_document_with_several_pairs_is_returned_once() {
    let mut batch = Batch::new(&[1, 2, 3]);
    for again in [1, 2, 1] {
        let pointer = batch.pointers[again].encode();
        batch.add_pair(&[PREFIX, &id(again)].concat(), &pointer);
    }
    let mut seen = IdSet::default();
    let request = Request { count: 6, may_repeat: true, ..batch.request(Format::Ids) };
    let filter = greater_than(-1);
    for filter in [None, Some(&filter)] {
        for _attempt in 0..2 {
            seen.begin();
            let request = Request { filter, ..request };
            let output = scan(&request, &batch.volumes, Some(&mut seen)).unwrap();
            assert_eq!((output.examined, output.matches), (6, vec![0, 1, 2]));
            assert_eq!(batch.packed[output.last_key], [PREFIX, &id(1)].concat());
        }
    }
    seen.commit();
    seen.begin();
    let resumed = Request { may_repeat: false, format: Format::Bson, ..request };
    let output = scan(&resumed, &batch.volumes, Some(&mut seen)).unwrap();
    assert_eq!((output.examined, output.matches), (6, vec![]));
}
