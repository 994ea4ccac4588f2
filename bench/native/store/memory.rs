//! placeholder
use crate::{Scale, figures::Figures};
pub(crate) fn measure(_scale: Scale, _figures: &Figures) {}
