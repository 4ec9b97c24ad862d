//! Planning and state (MIG080–MIG099): found when a plan meets clusters and state, explained here.

use super::codes;

codes! {}
