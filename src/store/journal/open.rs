//! Opening the journal: headers, the torn tail of the last segment, a new segment.

use std::path::Path;
use std::sync::Arc;

use super::frame::FLAG_CHAIN;
use super::header::{HEADER_BYTES, Header, HeaderError};
use super::scan::{Scan, Tail};
use super::segments::{SegmentInfo, Segments, file_name, file_number, file_path};
use super::writer::{self, Writer};
use super::{Opened, Position, Reader, record};
use crate::audit::ChainHead;
use crate::base::Timestamp;
use crate::fault::{Fault, Place, codes};
use crate::ports::{File, Files};
use crate::store::RestKeys;

/// Opens the journal in a directory, cuts a torn tail and begins a new segment.
///
/// # Errors
/// `W6002` when the disk refuses, `W6003` for damage that is no torn tail, `W6007` for an
/// unknown format, `W6008` without the key.
pub fn open(place: writer::Place) -> Result<Opened, Fault> {
    let refused = |e: std::io::Error| Fault::new(codes::W6002).caused_by(e);
    let files = place.ports.files.clone();
    let directory = place.directory.clone();
    files.create_dir(&directory).map_err(refused)?;
    writer::sweep(&*files, &directory);
    let mut list = headers(&*files, &directory, &place.rest)?;
    check_order(&list)?;
    let mut end = End { last: 0, chain: ChainHead::default(), torn_bytes: 0 };
    // A segment without entries is made anew: what was torn in it must not come back.
    let mut number = list.last().map_or(0, |s| s.number);
    while let Some(segment) = list.last().cloned() {
        end = last_of(&*files, &directory, &segment, end.torn_bytes)?;
        if end.last >= segment.first || segment.removed.is_some() {
            break;
        }
        files.remove(&file_path(&directory, segment.number)).map_err(refused)?;
        list.pop();
    }
    if list.is_empty() {
        (end.last, end.chain) = (0, ChainHead::default());
    }
    number += 1;
    let segments = Arc::new(Segments::new(list));
    let reader = Reader::new(files, directory, segments.clone(), place.rest.clone());
    let writer = Writer::new(place, segments, number, end.last + 1, end.chain)?;
    Ok(Opened {
        appender: Box::new(writer),
        journal: Arc::new(reader),
        last: end.last,
        torn_bytes: end.torn_bytes,
    })
}

struct End {
    last: Position,
    chain: ChainHead,
    torn_bytes: u64,
}

fn headers(
    files: &dyn Files,
    directory: &Path,
    rest: &RestKeys,
) -> Result<Vec<Arc<SegmentInfo>>, Fault> {
    let refused = |e: std::io::Error| Fault::new(codes::W6002).caused_by(e);
    let mut numbers: Vec<u32> =
        files.list(directory).map_err(refused)?.iter().filter_map(|p| file_number(p)).collect();
    numbers.sort_unstable();
    let mut list: Vec<Arc<SegmentInfo>> = Vec::with_capacity(numbers.len());
    for (at, number) in numbers.iter().enumerate() {
        let path = file_path(directory, *number);
        let damaged = || Fault::new(codes::W6003).at(Place::file(file_name(*number)));
        let file = files.open(&path, false).map_err(refused)?;
        let bytes = file.len().map_err(refused)?;
        let header = match read_header(&*file, bytes).map_err(refused)? {
            Ok(header) if header.number == *number => header,
            Err(HeaderError::Format(format)) => {
                return Err(Fault::new(codes::W6007)
                    .at(Place::file(file_name(*number)))
                    .because(format!("segment format {format}")));
            }
            // The last file may have been torn while it was made, before any entry.
            Err(HeaderError::Torn) if at + 1 == numbers.len() && no_frames(file, *number)? => {
                files.remove(&path).map_err(refused)?;
                continue;
            }
            _ => return Err(damaged().because("its header is not whole")),
        };
        // Those that a removed segment covers, and an empty one whose end was lost.
        while let Some(before) = list.last() {
            let covered = before.first >= header.first;
            if !covered || (before.removed.is_none() && before.first > header.first) {
                break;
            }
            files.remove(&file_path(directory, before.number)).map_err(refused)?;
            list.pop();
        }
        list.push(Arc::new(SegmentInfo::from_header(&header, rest, bytes)?));
    }
    Ok(list)
}

fn read_header(file: &dyn File, bytes: u64) -> std::io::Result<Result<Header, HeaderError>> {
    if bytes < HEADER_BYTES as u64 {
        return Ok(Err(HeaderError::Torn));
    }
    let mut head = vec![0; HEADER_BYTES];
    file.read_at(&mut head, 0)?;
    match Header::read(&head) {
        // A removed segment is a small file: header and totals.
        Err(HeaderError::Torn) if bytes > HEADER_BYTES as u64 && bytes < (16 << 20) => {
            let mut all = vec![0; usize::try_from(bytes).unwrap_or(0)];
            file.read_at(&mut all, 0)?;
            Ok(Header::read(&all))
        }
        other => Ok(other),
    }
}

/// Whether a file without a header holds no entry either.
fn no_frames(file: Arc<dyn File>, number: u32) -> Result<bool, Fault> {
    let nothing = SegmentInfo {
        number,
        first: 0,
        created: Timestamp::default(),
        chain: ChainHead::default(),
        sealer: None,
        removed: None,
        leaves_from: 0,
        lean: None,
        bytes: 0,
    };
    let refused = |e: std::io::Error| Fault::new(codes::W6002).caused_by(e);
    let mut scan = Scan::new(file, Arc::new(nothing)).map_err(refused)?;
    Ok(scan.tail().map_err(refused)? != Tail::Damaged)
}

fn check_order(list: &[Arc<SegmentInfo>]) -> Result<(), Fault> {
    let gap = |number: u32| {
        Fault::new(codes::W6003)
            .at(Place::file(file_name(number)))
            .because("a segment file before it is missing")
    };
    if let Some(first) = list.first()
        && first.first != 1
    {
        return Err(gap(first.number));
    }
    for pair in list.windows(2) {
        let [before, after] = pair else { continue };
        let right = match &before.removed {
            Some(removed) => after.first == removed.last + 1,
            None => after.first > before.first,
        };
        if !right {
            return Err(gap(after.number));
        }
    }
    Ok(())
}

/// Finds the end of the last segment and cuts what is torn.
fn last_of(
    files: &dyn Files,
    directory: &Path,
    segment: &Arc<SegmentInfo>,
    torn_before: u64,
) -> Result<End, Fault> {
    if let Some(removed) = &segment.removed {
        let chain = ChainHead(removed.chain);
        return Ok(End { last: removed.last, chain, torn_bytes: torn_before });
    }
    let refused = |e: std::io::Error| Fault::new(codes::W6002).caused_by(e);
    let file = files.open(&file_path(directory, segment.number), false).map_err(refused)?;
    let mut scan = Scan::new(file.clone(), segment.clone()).map_err(refused)?;
    let mut chain = segment.chain;
    while let Some((_, _, flags)) = scan.next().map_err(refused)? {
        if flags & FLAG_CHAIN != 0 {
            let parts = record::split(scan.text()?, true);
            chain = parts.and_then(|p| p.chain).unwrap_or(chain);
        }
    }
    if segment.lean.is_some() {
        // It was on disk as a whole before it got its name, so nothing of it is torn.
        if !scan.is_at_end() {
            return Err(Fault::new(codes::W6003)
                .at(Place::file(file_name(segment.number)))
                .because(format!("no whole entry at byte {}", scan.at)));
        }
        let last = scan.expected.saturating_sub(1);
        return Ok(End { last, chain, torn_bytes: torn_before });
    }
    let torn_bytes = match scan.tail().map_err(refused)? {
        Tail::Clean => 0,
        Tail::Torn(bytes) => bytes,
        Tail::Damaged => {
            return Err(Fault::new(codes::W6003)
                .at(Place::file(file_name(segment.number)))
                .because(format!("no whole entry at byte {}, but later ones are whole", scan.at)));
        }
    };
    // Entries of the last batch may be in the page cache only, after a kill; they count from
    // now. Written again, since a sync that failed marks pages as clean that are not on
    // disk, and the next sync would pass over them. Batches before it were synced.
    let batch = usize::try_from(scan.at - scan.batch_at).unwrap_or(0);
    let mut bytes = vec![0; batch];
    file.read_at(&mut bytes, scan.batch_at).map_err(refused)?;
    file.write_at(&bytes, scan.batch_at).map_err(refused)?;
    file.set_len(scan.at).map_err(refused)?;
    file.sync().map_err(refused)?;
    let last = scan.expected.saturating_sub(1);
    Ok(End { last, chain, torn_bytes: torn_before + torn_bytes })
}
