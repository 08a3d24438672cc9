//! The TPC-H tables: generated in memory, with Snowflake's names and types.

use std::sync::{Arc, OnceLock};

use datafusion::arrow::array::{Array, RecordBatch};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::arrow::error::ArrowError;
use datafusion::arrow::record_batch::RecordBatchReader;
use tpchgen::distribution::Distributions;
use tpchgen::generators::{
    CustomerGenerator, LineItemGenerator, NationGenerator, OrderGenerator, PartGenerator,
    PartSuppGenerator, RegionGenerator, SupplierGenerator,
};
use tpchgen::text::TextPool;
use tpchgen_arrow::{
    CustomerArrow, LineItemArrow, NationArrow, OrderArrow, PartArrow, PartSuppArrow, RegionArrow,
    SupplierArrow,
};

use super::account::{ColumnOf, Kind, Relation, TPCH};

/// The lengths of the VARCHAR columns, as Snowflake's sample database declares them.
const LENGTHS: &[(&str, u32)] = &[
    ("C_NAME", 25),
    ("C_ADDRESS", 40),
    ("C_PHONE", 15),
    ("C_MKTSEGMENT", 10),
    ("C_COMMENT", 117),
    ("L_RETURNFLAG", 1),
    ("L_LINESTATUS", 1),
    ("L_SHIPINSTRUCT", 25),
    ("L_SHIPMODE", 10),
    ("L_COMMENT", 44),
    ("N_NAME", 25),
    ("N_COMMENT", 152),
    ("O_ORDERSTATUS", 1),
    ("O_ORDERPRIORITY", 15),
    ("O_CLERK", 15),
    ("O_COMMENT", 79),
    ("P_NAME", 55),
    ("P_MFGR", 25),
    ("P_BRAND", 10),
    ("P_TYPE", 25),
    ("P_CONTAINER", 10),
    ("P_COMMENT", 23),
    ("PS_COMMENT", 199),
    ("R_NAME", 25),
    ("R_COMMENT", 152),
    ("S_NAME", 25),
    ("S_ADDRESS", 40),
    ("S_PHONE", 15),
    ("S_COMMENT", 101),
];

/// Columns that may be NULL by their declaration, though none is.
const NULLABLE: &[&str] =
    &["C_COMMENT", "N_COMMENT", "P_COMMENT", "PS_COMMENT", "R_COMMENT", "S_COMMENT"];

/// One generated table.
pub(crate) struct Sample {
    /// How the account lists it.
    pub(crate) relation: Relation,
    /// How the engine sees it.
    pub(crate) schema: SchemaRef,
    /// Its rows.
    pub(crate) batches: Vec<RecordBatch>,
}

/// Below scale 1 the comments are cut from a text of this size. The one of the standard has 300 MB,
/// stays in memory for the life of the process, and takes longer to write than a small account.
const SMALL_TEXT_BYTES: i32 = 4 * 1024 * 1024;

/// The text that comments are cut from: the standard's at scale 1 and above, so that the published
/// answers come out.
fn text(scale: f64) -> &'static TextPool {
    static SMALL: OnceLock<TextPool> = OnceLock::new();
    if scale < 1.0 {
        SMALL.get_or_init(|| TextPool::new(SMALL_TEXT_BYTES, Distributions::static_default()))
    } else {
        TextPool::get_or_init_default()
    }
}

/// All eight tables at a scale: 1 is about a gigabyte of text, 0.01 a hundredth of that.
pub(crate) fn generate(scale: f64) -> Result<Vec<Sample>, ArrowError> {
    let (words, text) = (Distributions::static_default(), text(scale));
    let region = RegionGenerator::new_with_distributions_and_text_pool(words, text);
    let nation = NationGenerator::new_with_distributions_and_text_pool(words, text);
    let supplier =
        SupplierGenerator::new_with_distributions_and_text_pool(scale, 1, 1, words, text);
    let customer =
        CustomerGenerator::new_with_distributions_and_text_pool(scale, 1, 1, words, text);
    let part = PartGenerator::new_with_distributions_and_text_pool(scale, 1, 1, words, text);
    let partsupp = PartSuppGenerator::new_with_text_pool(scale, 1, 1, text);
    let orders = OrderGenerator::new_with_distributions_and_text_pool(scale, 1, 1, words, text);
    let lineitem =
        LineItemGenerator::new_with_distributions_and_text_pool(scale, 1, 1, words, text);
    Ok(vec![
        table("REGION", RegionArrow::new(region))?,
        table("NATION", NationArrow::new(nation))?,
        table("SUPPLIER", SupplierArrow::new(supplier))?,
        table("CUSTOMER", CustomerArrow::new(customer))?,
        table("PART", PartArrow::new(part))?,
        table("PARTSUPP", PartSuppArrow::new(partsupp))?,
        table("ORDERS", OrderArrow::new(orders))?,
        table("LINEITEM", LineItemArrow::new(lineitem))?,
    ])
}

fn table(name: &str, rows: impl RecordBatchReader) -> Result<Sample, ArrowError> {
    let fields: Vec<Field> = rows.schema().fields().iter().map(|field| renamed(field)).collect();
    let schema = Arc::new(Schema::new(fields));
    let mut batches = Vec::new();
    for batch in rows {
        batches.push(retyped(&batch?, &schema)?);
    }
    let columns = schema
        .fields()
        .iter()
        .map(|field| ColumnOf {
            name: field.name().clone(),
            type_name: declared(field),
            nullable: NULLABLE.contains(&field.name().as_str()),
        })
        .collect();
    let kind = Kind::Table {
        rows: batches.iter().map(RecordBatch::num_rows).sum(),
        bytes: batches.iter().map(RecordBatch::get_array_memory_size).sum(),
    };
    let relation = Relation { schema: TPCH, name: name.to_owned(), kind, columns };
    Ok(Sample { relation, schema, batches })
}

/// Upper case, money as NUMBER(12,2), whole numbers in one width.
fn renamed(field: &Field) -> Field {
    let data_type = match field.data_type() {
        DataType::Decimal128(_, scale) => DataType::Decimal128(12, *scale),
        DataType::Int32 => DataType::Int64,
        other => other.clone(),
    };
    Field::new(field.name().to_uppercase(), data_type, false)
}

fn retyped(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch, ArrowError> {
    let columns = batch
        .columns()
        .iter()
        .zip(schema.fields())
        .map(|(column, field)| {
            if column.data_type() == field.data_type() {
                Ok(Arc::clone(column))
            } else {
                cast(column, field.data_type())
            }
        })
        .collect::<Result<Vec<_>, _>>()?;
    RecordBatch::try_new(Arc::clone(schema), columns)
}

fn declared(field: &Field) -> String {
    let length = LENGTHS.iter().find(|(name, _)| name == field.name());
    match length {
        Some((_, length)) => format!("VARCHAR({length})"),
        None => super::cells::type_name(field.data_type()),
    }
}
