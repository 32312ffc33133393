//! `Dosage` and `Timing` (<https://hl7.org/fhir/R4/dosage.html>), with STU3's and R5's shapes of them. Copied
//! element for element: what they mean is decided in `timing`.

use super::datatypes::{Concept, Extension, Quantity, QuantityRange};
use super::json::{Flag, List, Number, Remarks, Text, Whole, object};
use crate::care::Dosage as CareDosage;
use crate::care::dosage::DoseAndRate as CareDose;
use crate::care::timing::{
    Extension as CareExtension, Period, Quantity as CareQuantity, QuantityRange as CareRange,
    Ratio as CareRatio, Repeat as CareRepeat, Timing as CareTiming,
};
use crate::import::text;
use serde::Deserialize;
use std::fmt::Display;

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Dosage {
    sequence: Option<Whole>,
    text: Option<Text>,
    patient_instruction: Option<Text>,
    additional_instruction: List<Concept>,
    #[serde(deserialize_with = "object")]
    timing: Option<Timing>,
    as_needed_boolean: Option<Flag>,
    #[serde(deserialize_with = "object")]
    as_needed_codeable_concept: Option<Concept>,
    // R5.
    as_needed: Option<Flag>,
    as_needed_for: List<Concept>,
    dose_and_rate: List<DoseAndRate>,
    max_dose_per_period: List<Ratio>,
    extension: List<Extension>,
    // STU3.
    #[serde(deserialize_with = "object")]
    dose_quantity: Option<Quantity>,
    dose_range: Option<QuantityRange>,
    modifier_extension: List<Extension>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct DoseAndRate {
    #[serde(rename = "type")]
    #[serde(deserialize_with = "object")]
    kind: Option<Concept>,
    #[serde(deserialize_with = "object")]
    dose_quantity: Option<Quantity>,
    dose_range: Option<QuantityRange>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Ratio {
    numerator: Option<Quantity>,
    denominator: Option<Quantity>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Timing {
    event: List<String>,
    #[serde(deserialize_with = "object")]
    repeat: Option<Repeat>,
    #[serde(deserialize_with = "object")]
    code: Option<Concept>,
    extension: List<Extension>,
    modifier_extension: List<Extension>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Repeat {
    #[serde(deserialize_with = "object")]
    bounds_period: Option<Period>,
    #[serde(deserialize_with = "object")]
    bounds_duration: Option<Quantity>,
    #[serde(deserialize_with = "object")]
    bounds_range: Option<QuantityRange>,
    count: Option<Whole>,
    count_max: Option<Whole>,
    duration: Option<Number>,
    duration_max: Option<Number>,
    duration_unit: Option<String>,
    frequency: Option<Whole>,
    frequency_max: Option<Whole>,
    period: Option<Number>,
    period_max: Option<Number>,
    period_unit: Option<String>,
    day_of_week: List<String>,
    time_of_day: List<String>,
    when: List<String>,
    offset: Option<Whole>,
    extension: List<Extension>,
    modifier_extension: List<Extension>,
}

impl Dosage {
    /// The dosage, and what the patient is told: the instruction for patients, else the additional
    /// instructions, else the text, else the dose as it is written.
    pub(crate) fn into_care(
        self,
        path: impl Display + Copy,
        remarks: &mut Remarks,
    ) -> (CareDosage, Option<String>) {
        let mut at = |leaf, name: &str| remarks.take(leaf, format_args!("{path}.{name}"));
        let (text, patient_instruction) =
            (at(self.text, "text"), at(self.patient_instruction, "patientInstruction"));
        let as_needed = self.as_needed_boolean.or(self.as_needed).map(|flag| flag.value);
        // R5's element as R4 carries it: an extension whose concept is of no matter here.
        let carried = self.extension.iter().any(|e| e.name().ends_with("Dosage.asNeededFor"));
        let reason = self
            .as_needed_codeable_concept
            .or(self.as_needed_for.0.into_iter().next())
            .or_else(|| carried.then(Concept::default));
        let mut doses = self.dose_and_rate.0;
        if self.dose_quantity.is_some() || self.dose_range.is_some() {
            let (dose_quantity, dose_range) = (self.dose_quantity, self.dose_range);
            doses.push(DoseAndRate { kind: None, dose_quantity, dose_range });
        }
        let dose_and_rate: Vec<CareDose> = doses.into_iter().map(DoseAndRate::into_care).collect();
        let additional: Vec<&str> =
            self.additional_instruction.iter().filter_map(Concept::name).collect();
        let told = patient_instruction
            .clone()
            .or_else(|| (!additional.is_empty()).then(|| additional.join("; ")))
            .or_else(|| text.clone())
            .or_else(|| dose(&dose_and_rate))
            .and_then(|told| text::block(&told));
        let dosage = CareDosage {
            sequence: remarks.take(self.sequence, format_args!("{path}.sequence")),
            text,
            patient_instruction,
            timing: self
                .timing
                .map(|timing| timing.into_care(format_args!("{path}.timing"), remarks)),
            as_needed_boolean: as_needed,
            as_needed_codeable_concept: reason.map(Concept::into_care),
            max_dose_per_period: self
                .max_dose_per_period
                .0
                .into_iter()
                .map(Ratio::into_care)
                .collect(),
            dose_and_rate,
            modifier_extension: extensions(self.modifier_extension, path, remarks),
        };
        (dosage, told)
    }
}

/// The ordered dose as it is written; a calculated one beside it is not what to say.
fn dose(doses: &[CareDose]) -> Option<String> {
    let ordered = doses.iter().find(|dose| !dose.is_calculated());
    let quantity = ordered?.dose_quantity.as_ref()?;
    let unit = quantity.unit.as_deref().or(quantity.code.as_deref()).unwrap_or_default();
    Some(format!("{} {unit}", quantity.value.as_ref()?.0).trim().to_owned())
}

impl DoseAndRate {
    fn into_care(self) -> CareDose {
        CareDose {
            kind: self.kind.map(Concept::into_care),
            dose_quantity: self.dose_quantity.map(quantity),
            dose_range: self.dose_range.map(range),
        }
    }
}

impl Ratio {
    fn into_care(self) -> CareRatio {
        CareRatio {
            numerator: self.numerator.map(quantity),
            denominator: self.denominator.map(quantity),
        }
    }
}

impl Timing {
    /// The timing, element for element. The standard has `timing-daysOfCycle` and `timing-exact` on the timing
    /// and others on its `repeat`, and sources mix them up: all stand on `repeat` afterwards.
    pub(crate) fn into_care(self, path: impl Display + Copy, remarks: &mut Remarks) -> CareTiming {
        let mut written = self.repeat;
        let (narrowing, _): (Vec<_>, Vec<_>) = self
            .extension
            .0
            .into_iter()
            .partition(|extension| extension.name().starts_with("timing-"));
        if !narrowing.is_empty() {
            written.get_or_insert_default().extension.0.extend(narrowing);
        }
        let mut modifiers = self.modifier_extension;
        if let Some(repeat) = &mut written {
            modifiers.0.append(&mut repeat.modifier_extension.0);
        }
        CareTiming {
            event: self.event.0,
            repeat: written.map(|repeat| repeat.into_care(format_args!("{path}.repeat"), remarks)),
            code: self.code.map(Concept::into_care),
            modifier_extension: extensions(modifiers, path, remarks),
        }
    }
}

impl Repeat {
    fn into_care(self, path: impl Display + Copy, remarks: &mut Remarks) -> CareRepeat {
        let whole = |leaf, name: &str, remarks: &mut Remarks| {
            remarks.take::<i64>(leaf, format_args!("{path}.{name}"))
        };
        let number = |leaf: Option<Number>, name: &str, remarks: &mut Remarks| {
            remarks.take(leaf, format_args!("{path}.{name}"))
        };
        CareRepeat {
            bounds_period: self.bounds_period,
            bounds_duration: self.bounds_duration.map(quantity),
            bounds_range: self.bounds_range.map(range),
            count: whole(self.count, "count", remarks),
            count_max: whole(self.count_max, "countMax", remarks),
            duration: number(self.duration, "duration", remarks),
            duration_max: number(self.duration_max, "durationMax", remarks),
            duration_unit: self.duration_unit,
            frequency: whole(self.frequency, "frequency", remarks),
            frequency_max: whole(self.frequency_max, "frequencyMax", remarks),
            period: number(self.period, "period", remarks),
            period_max: number(self.period_max, "periodMax", remarks),
            period_unit: self.period_unit,
            day_of_week: self.day_of_week.0,
            time_of_day: self.time_of_day.0,
            when: self.when.0,
            offset: whole(self.offset, "offset", remarks),
            extension: extensions(self.extension, path, remarks),
        }
    }
}

fn quantity(quantity: Quantity) -> CareQuantity {
    CareQuantity {
        value: quantity.value.map(|value| value.value),
        unit: quantity.unit.map(|unit| unit.value),
        code: quantity.code.map(|code| code.value),
    }
}

fn range(range: QuantityRange) -> CareRange {
    CareRange { low: range.low.map(quantity), high: range.high.map(quantity) }
}

/// Extensions as they are; `timing` knows which it must heed.
fn extensions(
    written: List<Extension>,
    path: impl Display + Copy,
    remarks: &mut Remarks,
) -> Vec<CareExtension> {
    let carried = written.0.into_iter().map(|extension| CareExtension {
        url: extension.url.unwrap_or_default(),
        value_boolean: remarks.take(extension.value_boolean, path),
        value_positive_int: remarks
            .take(extension.value_positive_int.or(extension.value_integer), path),
        value_code: extension.value_code,
        extension: extensions(extension.extension, path, remarks),
    });
    carried.collect()
}
