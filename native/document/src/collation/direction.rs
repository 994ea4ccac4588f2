//! The direction in which accents decide. To the library it is part of a locale's data, which says
//! "from the end" of Canadian French only; here it is an option, so the data is the compiled one
//! with that bit as it is wanted.

use icu_collator::Collator;
use icu_collator::CollatorPreferences;
use icu_collator::options::CollatorOptions;
use icu_collator::provider::{
    Baked, CollationDiacriticsV1, CollationJamoV1, CollationMetadata, CollationMetadataV1,
    CollationReorderingV1, CollationRootV1, CollationSpecialPrimariesV1, CollationTailoringV1,
};
use icu_normalizer::provider::{
    Baked as NormalizerData, NormalizerNfdDataV1, NormalizerNfdTablesV1,
};
use icu_provider::{DataError, DataPayload, DataProvider, DataRequest, DataResponse};

/// In [`CollationMetadata`]: accents decide from the end of the text.
const BACKWARDS: u32 = 1 << 7;

/// The compiled data, with one direction for all locales.
struct Directed {
    is_backwards: bool,
}

/// A collator whose accents decide in the given direction, whatever the locale says.
pub(super) fn build(
    is_backwards: bool,
    preferences: CollatorPreferences,
    options: CollatorOptions,
) -> Result<Collator, DataError> {
    Collator::try_new_unstable(&Directed { is_backwards }, preferences, options)
}

impl DataProvider<CollationMetadataV1> for Directed {
    fn load(&self, request: DataRequest) -> Result<DataResponse<CollationMetadataV1>, DataError> {
        let found: DataResponse<CollationMetadataV1> = Baked.load(request)?;
        let CollationMetadata { bits } = *found.payload.get();
        let bits = if self.is_backwards { bits | BACKWARDS } else { bits & !BACKWARDS };
        let payload = DataPayload::from_owned(CollationMetadata { bits });
        Ok(DataResponse { metadata: found.metadata, payload })
    }
}

macro_rules! unchanged {
    ($data:ident: $($marker:ty),*) => {
        $(impl DataProvider<$marker> for Directed {
            fn load(&self, request: DataRequest) -> Result<DataResponse<$marker>, DataError> {
                $data.load(request)
            }
        })*
    };
}

unchanged!(
    Baked: CollationRootV1,
    CollationTailoringV1,
    CollationDiacriticsV1,
    CollationJamoV1,
    CollationReorderingV1,
    CollationSpecialPrimariesV1
);
unchanged!(NormalizerData: NormalizerNfdDataV1, NormalizerNfdTablesV1);
