//! What goes wrong with systems of vendors, beside what goes wrong with every system behind HTTP.

/// What it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A job that had all its data failed.
    JobFailed,
    /// A job has not ended yet.
    JobRuns,
    /// What is to be loaded together takes more than the system takes together.
    TooMuch,
    /// The settings don't say where a tenant goes.
    Nowhere,
    /// The system has a thing twice that is one.
    Twice,
}

impl Fault {
    pub(crate) fn code(self) -> &'static str {
        match self {
            Fault::JobFailed => "LW-6060",
            Fault::JobRuns => "LW-6061",
            Fault::TooMuch => "LW-6062",
            Fault::Nowhere => "LW-6063",
            Fault::Twice => "LW-6064",
        }
    }

    pub(crate) fn remedy(self) -> &'static str {
        match self {
            Fault::JobFailed => {
                "what stands in the sink is intact; correct what the job complains of. It is tried again by itself with \
                 another job: at once, and after three that failed once an hour"
            }
            Fault::JobRuns => {
                "nothing: it is asked again by itself, and no other job begins before"
            }
            Fault::TooMuch => {
                "bring fewer people: `users = \"licensed\"`, or leave the tenant out with `tenants`"
            }
            Fault::Twice => "remove one of them there; it is tried again by itself",
            Fault::Nowhere => {
                "name the tenant in the sink's `apps`, or leave it out with `tenants`"
            }
        }
    }
}
