//! Why Microsoft's count of the units in use of a product is not the number of users that hold it.
//!
//! What may make the two differ is looked up as objects (`facts`), then taken away from the difference in one order
//! (`reason`); what is left is unexplained. The tables that this needs (`kept`, `moved`) are written in the transaction
//! that applies a run, and so is what a position says of it (`keep`).

pub(crate) mod facts;
pub(crate) mod keep;
pub(crate) mod kept;
pub(crate) mod moved;
pub(crate) mod reason;
pub(crate) mod times;
