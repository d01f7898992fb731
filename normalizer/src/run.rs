//! The tasks of a running normalizer.

use bus::ConsumeOptions;
use proto::message::Queue;
use runtime::{CancellationToken, Problem};
use tokio::task::JoinSet;

use crate::{Error, Normalizer};

/// Pages that are mapped at a time: one is being written while others are parsed.
const PAGES: usize = 4;

impl Normalizer {
    /// Takes pages and seals, applies runs and publishes verdicts until `stop`; then finishes what is in hand.
    ///
    /// # Errors
    /// When a queue doesn't exist, a task failed, or who was erased can't be told.
    pub async fn run(&self, stop: CancellationToken) -> Result<(), Problem> {
        tokio::select! {
            told = self.until_erased_can_be_told() => told?,
            () = stop.cancelled() => return Ok(()),
        }
        let mut tasks = JoinSet::new();
        for queue in [Queue::PageFull, Queue::PageSome, Queue::Seal] {
            let (me, stop) = (self.clone(), stop.clone());
            let options = ConsumeOptions {
                prefetch: PAGES,
                ..ConsumeOptions::default()
            };
            tasks.spawn(async move {
                let handler = me.clone();
                bus::consume(&me.0.bus, queue, options, stop, move |received| {
                    let handler = handler.clone();
                    async move { handler.take(received).await }
                })
                .await
            });
        }
        let (me, token) = (self.clone(), stop.clone());
        tasks.spawn(async move {
            let handler = me.clone();
            bus::consume_dead(&me.0.bus, token, move |letter| {
                let handler = handler.clone();
                async move { handler.take_dead(letter).await }
            })
            .await
        });
        let (me, token) = (self.clone(), stop.clone());
        tasks.spawn(async move {
            me.work(token).await;
            Ok(())
        });
        let (me, token) = (self.clone(), stop.clone());
        tasks.spawn(async move {
            me.publish_all(token).await;
            Ok(())
        });
        let (me, token) = (self.clone(), stop.clone());
        tasks.spawn(async move {
            me.keep_house(token).await;
            Ok(())
        });
        let (me, token) = (self.clone(), stop.clone());
        tasks.spawn(async move {
            me.show(token).await;
            Ok(())
        });

        let mut result = Ok(());
        while let Some(ended) = tasks.join_next().await {
            let ended = ended.unwrap_or_else(|e| Err(Error::Task(e).into()));
            if result.is_ok() && ended.is_err() {
                result = ended;
            }
            // None ends by itself: one that did takes the others with it, and whoever runs us starts again.
            stop.cancel();
        }
        result
    }
}
