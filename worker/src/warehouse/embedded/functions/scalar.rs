//! The frame around each function that is ours: one struct for the engine, one plain function
//! over arrays for the one who writes it. Nothing here knows what a function means.

use std::hash::{Hash, Hasher};
use std::ops::RangeInclusive;

use datafusion::arrow::array::{Array, ArrayRef, Float64Array, Int64Array, StringArray};
use datafusion::arrow::compute::{CastOptions, cast_with_options};
use datafusion::arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{Result, ScalarValue, exec_err, plan_err};
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    Volatility,
};
use std::sync::Arc;

/// What is known of a call before it runs.
pub(crate) struct Call {
    /// The types of the arguments.
    pub(crate) types: Vec<DataType>,
    /// The arguments that are constants.
    pub(crate) constants: Vec<Option<ScalarValue>>,
}

impl Call {
    /// The constant text at a place.
    pub(crate) fn text(&self, at: usize) -> Option<&str> {
        self.constants.get(at)?.as_ref()?.try_as_str()?
    }

    /// The constant whole number at a place.
    pub(crate) fn integer(&self, at: usize) -> Option<i64> {
        let value = self.constants.get(at)?.as_ref()?;
        match value.cast_to(&DataType::Int64) {
            Ok(ScalarValue::Int64(number)) => number,
            Ok(_) | Err(_) => None,
        }
    }

    /// The type at a place; text when there is no such argument.
    pub(crate) fn data_type(&self, at: usize) -> DataType {
        self.types.get(at).cloned().unwrap_or(DataType::Utf8)
    }
}

/// One function of ours.
pub(crate) struct Scalar {
    /// The name under which the rewriting calls it; no statement can write it.
    pub(crate) name: &'static str,
    /// How many arguments it takes.
    pub(crate) arity: RangeInclusive<usize>,
    /// The type of its answer.
    pub(crate) returns: fn(&Call) -> Result<DataType>,
    /// The answer for all rows of a batch.
    pub(crate) body: fn(&Call, &[ArrayRef], &DataType) -> Result<ArrayRef>,
}

/// A [`Scalar`] as the engine wants it.
#[derive(Debug)]
struct Framed {
    scalar: &'static Scalar,
    signature: Signature,
}

impl std::fmt::Debug for Scalar {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

impl PartialEq for Framed {
    fn eq(&self, other: &Framed) -> bool {
        self.scalar.name == other.scalar.name
    }
}

impl Eq for Framed {}

impl Hash for Framed {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.scalar.name.hash(state);
    }
}

impl ScalarUDFImpl for Framed {
    fn name(&self) -> &str {
        self.scalar.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        (self.scalar.returns)(&Call { types: types.to_vec(), constants: vec![None; types.len()] })
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        if !self.scalar.arity.contains(&args.arg_fields.len()) {
            return plan_err!("wrong number of arguments for {}", self.scalar.name);
        }
        let call = Call {
            types: args.arg_fields.iter().map(|field| field.data_type().clone()).collect(),
            constants: args.scalar_arguments.iter().map(|value| value.cloned()).collect(),
        };
        Ok(Arc::new(Field::new(self.scalar.name, (self.scalar.returns)(&call)?, true)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let returns = args.return_field.data_type();
        let constant = args.args.iter().all(|arg| matches!(arg, ColumnarValue::Scalar(_)));
        let rows = if constant { 1 } else { args.number_rows };
        let call = Call {
            types: args.args.iter().map(ColumnarValue::data_type).collect(),
            constants: args
                .args
                .iter()
                .map(|arg| match arg {
                    ColumnarValue::Scalar(value) => Some(value.clone()),
                    ColumnarValue::Array(_) => None,
                })
                .collect(),
        };
        let arrays =
            args.args.iter().map(|arg| arg.to_array(rows)).collect::<Result<Vec<ArrayRef>>>()?;
        let answer = (self.scalar.body)(&call, &arrays, returns)?;
        if constant {
            Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&answer, 0)?))
        } else {
            Ok(ColumnarValue::Array(answer))
        }
    }
}

/// A function of ours for the engine's registry.
pub(crate) fn framed(scalar: &'static Scalar) -> ScalarUDF {
    let signature = Signature::variadic_any(Volatility::Immutable);
    ScalarUDF::new_from_impl(Framed { scalar, signature })
}

/// A conversion that fails where a value does not fit, and never gives NULL for it.
pub(crate) fn converted(array: &ArrayRef, to: &DataType) -> Result<ArrayRef> {
    Ok(cast_with_options(array, to, &CastOptions { safe: false, ..CastOptions::default() })?)
}

/// An argument as text.
pub(crate) fn strings(array: &ArrayRef) -> Result<StringArray> {
    let array = converted(array, &DataType::Utf8)?;
    match array.as_any().downcast_ref::<StringArray>() {
        Some(strings) => Ok(strings.clone()),
        None => exec_err!("not text: {}", array.data_type()),
    }
}

/// An argument as whole numbers, rounded.
pub(crate) fn integers(array: &ArrayRef) -> Result<Int64Array> {
    let whole = match array.data_type() {
        DataType::Decimal128(_, scale) if *scale > 0 => {
            converted(array, &DataType::Decimal128(38, 0))?
        }
        DataType::Float32 | DataType::Float64 => converted(array, &DataType::Decimal128(38, 0))?,
        _ => Arc::clone(array),
    };
    let array = converted(&whole, &DataType::Int64)?;
    match array.as_any().downcast_ref::<Int64Array>() {
        Some(integers) => Ok(integers.clone()),
        None => exec_err!("not a number: {}", array.data_type()),
    }
}

/// An argument as binary floating point.
pub(crate) fn floats(array: &ArrayRef) -> Result<Float64Array> {
    let array = converted(array, &DataType::Float64)?;
    match array.as_any().downcast_ref::<Float64Array>() {
        Some(floats) => Ok(floats.clone()),
        None => exec_err!("not a number: {}", array.data_type()),
    }
}
