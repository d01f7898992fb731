//! What goes wrong between a sink and a vendor.

use std::time::Duration;

/// What is done to a request.
#[derive(Clone, Debug)]
pub enum Fault {
    /// It is answered by an error in the vendor's own words, and has no effect.
    Status {
        /// The status, such as 413, 429, 500 or 503.
        status: u16,
        /// The header of this name, as it is sent: seconds or a date.
        retry_after: Option<String>,
    },
    /// It is answered by this status and this body, and has no effect: an error with status 200, or a proxy's page.
    Answer {
        /// The status.
        status: u16,
        /// The type of the body.
        content_type: &'static str,
        /// The body.
        body: String,
    },
    /// It is answered by a redirect to this URL, and has no effect.
    Redirect(String),
    /// The credentials are no longer good: it is answered as the vendor answers wrong ones.
    Unauthorized,
    /// It gets no answer, and has no effect.
    Hang,
    /// It takes effect, and gets no answer.
    HangAfter,
    /// The connection ends before it has an effect.
    Cut,
    /// It takes effect, and the connection ends before the answer.
    CutAfter,
    /// It takes effect, and is answered after this time.
    Slow(Duration),
}

/// Which requests a fault is done to.
#[derive(Clone, Debug)]
pub struct Rule {
    fault: Fault,
    method: Option<String>,
    path: String,
    skip: u64,
    times: u64,
}

impl Rule {
    /// Every request.
    pub fn always(fault: Fault) -> Self {
        Self {
            fault,
            method: None,
            path: String::new(),
            skip: 0,
            times: u64::MAX,
        }
    }

    /// The next one.
    pub fn once(fault: Fault) -> Self {
        Self::always(fault).times(1)
    }

    /// Only those by this method.
    pub fn method(mut self, method: &str) -> Self {
        self.method = Some(method.to_owned());
        self
    }

    /// Only those with this text in their path.
    pub fn path(mut self, path: &str) -> Self {
        self.path = path.to_owned();
        self
    }

    /// Not the first so many of those that fit.
    pub fn after(mut self, requests: u64) -> Self {
        self.skip = requests;
        self
    }

    /// So many of them.
    pub fn times(mut self, times: u64) -> Self {
        self.times = times;
        self
    }

    /// The fault, if it is to be done to this request.
    pub(crate) fn strikes(&mut self, method: &str, path: &str) -> Option<Fault> {
        let fits = self.method.as_deref().is_none_or(|wanted| wanted == method)
            && path.contains(&self.path);
        if !fits || self.times == 0 {
            return None;
        }
        if self.skip > 0 {
            self.skip -= 1;
            return None;
        }
        self.times -= 1;
        Some(self.fault.clone())
    }
}
