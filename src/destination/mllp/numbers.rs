//! Sequence numbers of what is sent (`sequence = true`).
//!
//! Each connection begins with a message that carries number 0 and nothing else; MSA-4 of its
//! answer says which number the peer expects, and messages go on from there. So nothing needs
//! to be kept: the peer knows. A message whose answer was lost is delivered when the peer then
//! expects the number behind its own. Source: HL7 v2.5.1 §2.10.1.

use bytes::Bytes;

use super::{Asked, Link};
use crate::base::MessageId;
use crate::fault::Fault;
use crate::fault::codes::{W7112, W7113, W7201, W7202, W7203};
use crate::hl7v2::{Message, Path};
use crate::message::{Delivery, Receipt};

/// The message that was sent last and has no answer, with its number.
pub(super) type Unanswered = Option<(MessageId, u64)>;

/// Sends a delivery with the number that the peer expects.
pub(super) async fn exchange(
    link: &mut Link,
    unanswered: &mut Unanswered,
    delivery: &Delivery,
    asked: &Asked,
    greeting: &str,
) -> Result<Receipt, Fault> {
    let mut message = Message::parse(delivery.body.bytes.clone())?;
    let number = match link.next {
        Some(number) => number,
        None => {
            let hello = hello(&message, greeting)?;
            let control_id = Bytes::copy_from_slice(greeting.as_bytes());
            let own = Asked { control_id, answer: true, application: false, ..asked.copy() };
            link.exchange(&hello, &own).await?;
            let number = match link.expected {
                // Nothing is known there: any number may be the first.
                Some(-1) => 1,
                Some(expected) => u64::try_from(expected).unwrap_or(0),
                None => 0,
            };
            if number == 0 {
                return Err(Fault::new(W7112));
            }
            link.next = Some(number);
            let taken = unanswered.take().is_some_and(|(id, sent)| {
                id == delivery.message && Some(number) == sent.checked_add(1)
            });
            if taken {
                return Ok(Receipt::Ack { code: "AA".into() });
            }
            number
        }
    };
    message.set(&Path::parse("MSH-13")?, &number.to_string())?;
    *unanswered = Some((delivery.message, number));
    let answered = link.exchange(&message.write(), asked).await;
    match &answered {
        Ok(_) => link.next = number.checked_add(1),
        Err(fault) if matches!(fault.code(), W7201 | W7202 | W7203) => {
            // A number that is refused itself: the peer says at the next begin what it wants.
            let is_other = link.expected.is_some_and(|n| u64::try_from(n) != Ok(number));
            if is_other {
                *unanswered = None;
                return Err(Fault::new(W7113));
            }
        }
        // No answer: the connection goes, and the next one tells.
        Err(_) => return answered,
    }
    *unanswered = None;
    answered
}

/// A message that only starts the link, from whom and to whom as `message` says.
fn hello(message: &Message, control_id: &str) -> Result<Bytes, Fault> {
    let mut header = message.segment(0).map_or(Vec::new(), |msh| msh.raw().to_vec());
    header.push(b'\r');
    let mut hello = Message::parse_as(Bytes::from(header), Some(message.charset()))?;
    let component = message.delimiters().component;
    for (field, raw) in [(9, &[component][..]), (10, control_id.as_bytes()), (13, b"0")] {
        hello.set_raw(&Path::parse(&format!("MSH-{field}"))?, raw)?;
    }
    // It is to be answered, whatever the message asks for.
    for field in [8, 14, 15, 16] {
        hello.clear(&Path::parse(&format!("MSH-{field}"))?)?;
    }
    Ok(hello.write())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_link_begins_with_a_header_alone() {
        let text = "MSH|^~\\&|A|B|C|D|2026|x|ADT^A01|1|P|2.5|7|p|AL|NE||8859/1\rPID|1\r";
        let message = Message::parse(Bytes::from(text)).unwrap();
        let hello = hello(&message, "H1").unwrap();
        assert_eq!(hello, "MSH|^~\\&|A|B|C|D|2026||^|H1|P|2.5|0|||||8859/1\r");
    }
}
