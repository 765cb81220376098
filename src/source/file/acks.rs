//! The acknowledgments of a file: a batch of them, written beside while the file is taken.
//!
//! It gets its name when every message of the file is on disk as accepted or refused, and
//! before the file moves: who sees `NAME.ack` sees all of it. After a crash in between it may
//! be there twice, with a number behind the second. Source: HL7 v2.5.1 §2.10.3.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;

use super::watcher::{blocking, free_name};
use crate::base::MessageId;
use crate::fault::Fault;
use crate::hl7v2::{self, ack::BatchWriter};
use crate::ports::{File, Files, Ports};

/// Acknowledgments gathered for one write.
const WRITE_BYTES: usize = 64 << 10;

/// Acknowledgments under way.
pub(super) struct Acks {
    files: Arc<dyn Files>,
    directory: PathBuf,
    /// Name of the file that is acknowledged.
    name: Arc<str>,
    hidden: PathBuf,
    file: Arc<dyn File>,
    offset: u64,
    writer: BatchWriter,
    /// An answer that is a document or batch of its own.
    whole: Option<Bytes>,
}

impl Acks {
    /// Begins the acknowledgments of a file in a directory.
    pub(super) async fn begin(
        ports: &Ports,
        directory: &Path,
        name: &Arc<str>,
    ) -> io::Result<Self> {
        let (files, hidden) = (ports.files.clone(), directory.join(format!(".{name}.ack.part")));
        let now = ports.clock.now();
        let mut control = MessageId::new(now, ports.entropy.bits()).to_string();
        // With room for the numbers of its batches within the length before 2.7.
        control.truncate(16);
        let path = hidden.clone();
        let opened = blocking(move || {
            let file = files.open(&path, true)?;
            // What is there is left of an attempt that a crash ended.
            file.set_len(0)?;
            Ok(file)
        });
        Ok(Self {
            file: opened.await?,
            files: ports.files.clone(),
            directory: directory.to_owned(),
            name: name.clone(),
            hidden,
            offset: 0,
            writer: BatchWriter::new(now, &control),
            whole: None,
        })
    }

    /// Takes the envelope before a message, and the answers to it.
    pub(super) async fn add(&mut self, envelope: &[Bytes], replies: &[Bytes]) -> io::Result<()> {
        for segment in envelope {
            self.writer.segment(segment);
        }
        match replies {
            [one] if hl7v2::is_batch(one) || hl7v2::xml::is_document(one) => {
                self.whole = Some(one.clone());
            }
            // What answers FHIR is no acknowledgment of a batch.
            [one] if one.starts_with(b"{") => {}
            replies => self.writer.answers(replies),
        }
        if self.writer.written() >= WRITE_BYTES { self.write().await } else { Ok(()) }
    }

    /// Ends the acknowledgments: they are on disk under their name then.
    pub(super) async fn finish(mut self, trailers: &[Bytes], findings: &[Fault]) -> io::Result<()> {
        for segment in trailers {
            self.writer.segment(segment);
        }
        match self.whole.take() {
            Some(whole) => self.put(whole.to_vec()).await?,
            None => {
                self.writer.finish(findings);
                self.write().await?;
            }
        }
        let Self { files, directory, name, hidden, file, .. } = self;
        blocking(move || {
            file.sync()?;
            let shown = free_name(&*files, &directory, Path::new(&format!("{name}.ack")))?;
            files.rename(&hidden, &shown)?;
            files.sync_dir(&directory)
        })
        .await
    }

    /// Gives them up: there was nothing to acknowledge.
    pub(super) async fn discard(self) -> io::Result<()> {
        let Self { files, hidden, .. } = self;
        blocking(move || files.remove(&hidden)).await
    }

    async fn write(&mut self) -> io::Result<()> {
        let bytes = self.writer.take();
        self.put(bytes).await
    }

    async fn put(&mut self, bytes: Vec<u8>) -> io::Result<()> {
        let (file, offset) = (self.file.clone(), self.offset);
        self.offset += bytes.len() as u64;
        blocking(move || file.write_at(&bytes, offset)).await
    }
}
