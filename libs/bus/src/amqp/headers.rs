//! What travels beside an envelope.

use lapin::BasicProperties;
use lapin::types::{AMQPValue, FieldTable};
use proto::message::Queue;

use crate::backend::Death;

/// On the queue of the dead: where a message comes from, and why.
const ORIGIN: &str = "leastwise-origin";
const REASON: &str = "leastwise-reason";

/// The server takes all headers in one frame only, of 128 KiB.
const LONGEST: usize = 4096;

/// The headers of a message that could not be handled.
pub(super) fn of_death(death: &Death) -> FieldTable {
    let mut reason = death.reason.as_str();
    while reason.len() > LONGEST {
        reason = &reason[..reason.floor_char_boundary(LONGEST)];
    }
    let mut table = FieldTable::default();
    table.insert(ORIGIN.into(), text_value(&death.queue.to_string()));
    table.insert(REASON.into(), text_value(reason));
    table
}

/// Where a message on the queue of the dead comes from, by our own headers or by the server's.
pub(super) fn death(headers: Option<&FieldTable>, limit: u32) -> Option<Death> {
    let headers = headers?;
    if let (Some(origin), Some(reason)) = (text(headers, ORIGIN), text(headers, REASON)) {
        return Some(Death {
            queue: Queue::from_name(&origin)?,
            reason,
        });
    }
    let Some(AMQPValue::FieldArray(deaths)) = headers.inner().get("x-death") else {
        return None;
    };
    // The latest comes first.
    let Some(AMQPValue::FieldTable(last)) = deaths.as_slice().first() else {
        return None;
    };
    let queue = Queue::from_name(&text(last, "queue")?)?;
    let reason = text(last, "reason")?;
    Some(if reason == "delivery_limit" {
        Death::worn_out(&queue, limit)
    } else {
        let reason = format!("the queue server removed it: {reason}");
        Death { queue, reason }
    })
}

/// How often a message was handed out, this time included.
pub(super) fn deliveries(properties: &BasicProperties) -> u32 {
    let headers = properties.headers().as_ref();
    let returned = match headers.and_then(|h| h.inner().get("x-delivery-count")) {
        Some(AMQPValue::LongLongInt(n)) => u32::try_from(*n).unwrap_or(u32::MAX),
        Some(AMQPValue::LongInt(n)) => u32::try_from(*n).unwrap_or_default(),
        Some(AMQPValue::LongUInt(n)) => *n,
        Some(AMQPValue::ShortInt(n)) => u32::try_from(*n).unwrap_or_default(),
        Some(AMQPValue::ShortUInt(n)) => u32::from(*n),
        Some(AMQPValue::ShortShortInt(n)) => u32::try_from(*n).unwrap_or_default(),
        Some(AMQPValue::ShortShortUInt(n)) => u32::from(*n),
        _ => 0,
    };
    returned.saturating_add(1)
}

fn text(table: &FieldTable, key: &str) -> Option<String> {
    match table.inner().get(key)? {
        AMQPValue::LongString(s) => Some(s.to_string()),
        AMQPValue::ShortString(s) => Some(s.to_string()),
        _ => None,
    }
}

fn text_value(s: &str) -> AMQPValue {
    AMQPValue::LongString(s.into())
}

#[cfg(test)]
mod tests {
    use lapin::types::FieldArray;

    use super::*;

    #[test]
    fn our_own_reason_comes_back_whole_or_cut() {
        let told = Death {
            queue: Queue::Seal,
            reason: "no such dataset".into(),
        };
        assert_eq!(death(Some(&of_death(&told)), 5), Some(told.clone()));
        let long = Death {
            reason: "ü".repeat(5000),
            ..told
        };
        let cut = death(Some(&of_death(&long)), 5).unwrap().reason;
        assert_eq!(cut, "ü".repeat(2048));
    }

    #[test]
    fn the_servers_reason_is_understood() {
        let by = |reason: &str| {
            let mut last = FieldTable::default();
            last.insert("queue".into(), text_value("page.full"));
            last.insert("reason".into(), text_value(reason));
            let mut headers = FieldTable::default();
            let deaths = FieldArray::from(vec![AMQPValue::FieldTable(last)]);
            headers.insert("x-death".into(), AMQPValue::FieldArray(deaths));
            death(Some(&headers), 5).unwrap()
        };
        assert_eq!(by("delivery_limit"), Death::worn_out(&Queue::PageFull, 5));
        assert!(by("expired").reason.contains("expired"));
        assert_eq!(death(Some(&FieldTable::default()), 5), None);
        assert_eq!(death(None, 5), None);
    }
}
