//! What a turn publishes of what it has read.

use proto::pages::v1::RunMode;
use serde_json::value::RawValue;

use super::Turn;
use crate::error::Error;
use crate::page;
use crate::publish::{self, Content, Step, Window};
use crate::run::Rest;

impl Turn<'_> {
    /// Publishes a page of a full read; reading goes on from `rest` behind it.
    pub async fn publish(
        &mut self,
        window: &mut Window<'_>,
        objects: &[&RawValue],
        request_id: String,
        rest: impl Into<Rest>,
    ) -> Result<(), Error> {
        let content = Content {
            objects,
            request_id,
            ..Content::default()
        };
        self.publish_as(RunMode::Full, window, content, rest.into())
            .await
    }

    /// Publishes what may be of a page, in several messages where it is large, each once the window has room; reading
    /// goes on from `rest` behind the last one.
    pub async fn publish_as(
        &mut self,
        mode: RunMode,
        window: &mut Window<'_>,
        content: Content<'_>,
        rest: Rest,
    ) -> Result<(), Error> {
        let mut read = content.objects.len() as u64;
        let inside = content.objects.iter().copied();
        let inside = inside.filter(|o| self.sieve.passes(o));
        let inside: Vec<_> = inside.map(|o| self.hidden.take_out(o)).collect();
        let inside: Vec<&RawValue> = inside.iter().map(AsRef::as_ref).collect();
        let objects = self.without_giants(&inside).await?;
        let lists = publish::cut(&objects);
        let (mut gone, mut missing) = (content.gone, content.missing);
        let last = lists.len() - 1;
        for (n, objects) in lists.into_iter().enumerate() {
            self.make_room(window).await?;
            let content = Content {
                objects,
                gone: std::mem::take(&mut gone),
                missing: std::mem::take(&mut missing),
                request_id: content.request_id.clone(),
                columns: content.columns.clone(),
            };
            let told = content.gone.len() + content.missing.len();
            let step = Step {
                sequence: self.draw(),
                objects: (objects.len() + told) as u64,
                read: std::mem::take(&mut read),
                rest: if n == last { rest.clone() } else { Rest::Same },
            };
            let page = publish::page(self.name(step.sequence), mode, content, self.now());
            let page = page.map_err(|e| page::answer(self.declaration.path, &e.to_string()))?;
            window.publish(page, step);
        }
        Ok(())
    }

    /// The objects but those that no queue may take: they are a gap.
    async fn without_giants<'r>(
        &mut self,
        objects: &[&'r RawValue],
    ) -> Result<Vec<&'r RawValue>, Error> {
        let giant = |o: &&RawValue| o.get().len() > publish::LARGEST_OBJECT;
        let (giants, objects): (Vec<&RawValue>, Vec<&RawValue>) =
            objects.iter().copied().partition(giant);
        for object in giants {
            let bytes = object.get().len();
            let gap = format!(
                "LW-3011: {} is an object of {bytes} bytes, and was left out. What to do: look at it in Microsoft Graph; \
                 no property that is read is that long.",
                page::id(object).unwrap_or_else(|| "one without id".to_owned())
            );
            tracing::warn!(tenant = %self.tenant, dataset = self.declaration.name, gap, "an object is too large");
            self.update(|open, _| open.gaps.push(gap)).await?;
        }
        Ok(objects)
    }
}
