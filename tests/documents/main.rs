//! The repository agrees with itself: documents, ledger and checklist with the code, and the code with its floors.

mod checklist;
mod floors;
mod ledger;
mod prose;
mod words;
