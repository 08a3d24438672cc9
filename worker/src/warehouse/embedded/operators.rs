//! Operators whose meaning depends on the types of both sides: division that keeps fractions,
//! whole numbers that do not wrap around, days added to dates.

use std::collections::HashMap;
use std::sync::Arc;

use datafusion::arrow::datatypes::DataType;
use datafusion::common::{DFSchema, Result};
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::planner::{ExprPlanner, PlannerResult, RawBinaryExpr};
use datafusion::logical_expr::{Expr, ExprSchemable, ScalarUDF, lit};
use sqlparser::ast::BinaryOperator;

/// Plans operators by the types beside them.
#[derive(Debug)]
pub(crate) struct Operators {
    functions: HashMap<&'static str, Arc<ScalarUDF>>,
}

impl Operators {
    /// With our functions at hand.
    pub(crate) fn new(functions: HashMap<&'static str, Arc<ScalarUDF>>) -> Operators {
        Operators { functions }
    }

    fn call(&self, name: &str, args: Vec<Expr>) -> Option<Expr> {
        let function = Arc::clone(self.functions.get(name)?);
        Some(Expr::ScalarFunction(ScalarFunction::new_udf(function, args)))
    }

    fn meaning(&self, raw: &RawBinaryExpr, left: &DataType, right: &DataType) -> Option<Expr> {
        let pair = || vec![raw.left.clone(), raw.right.clone()];
        let whole = left.is_integer() && right.is_integer();
        let dates = is_date(left) && is_date(right);
        match raw.op {
            BinaryOperator::Divide => self.call("sf_div", pair()),
            BinaryOperator::Multiply if whole => self.call("sf_mul", pair()),
            BinaryOperator::Plus if whole => self.call("sf_add", pair()),
            BinaryOperator::Plus if is_date(left) && is_exact(right) => {
                self.call("sf_dateadd", vec![lit("day"), raw.right.clone(), raw.left.clone()])
            }
            BinaryOperator::Plus if is_exact(left) && is_date(right) => {
                self.call("sf_dateadd", vec![lit("day"), raw.left.clone(), raw.right.clone()])
            }
            BinaryOperator::Minus if whole => self.call("sf_sub", pair()),
            BinaryOperator::Minus if dates => {
                self.call("sf_datediff", vec![lit("day"), raw.right.clone(), raw.left.clone()])
            }
            BinaryOperator::Minus if is_date(left) && is_exact(right) => {
                let back = Expr::Negative(Box::new(raw.right.clone()));
                self.call("sf_dateadd", vec![lit("day"), back, raw.left.clone()])
            }
            _ => None,
        }
    }
}

fn is_date(data_type: &DataType) -> bool {
    *data_type == DataType::Date32
}

fn is_exact(data_type: &DataType) -> bool {
    data_type.is_integer() || matches!(data_type, DataType::Decimal128(_, _))
}

impl ExprPlanner for Operators {
    fn plan_binary_op(
        &self,
        raw: RawBinaryExpr,
        schema: &DFSchema,
    ) -> Result<PlannerResult<RawBinaryExpr>> {
        let arithmetic = matches!(
            raw.op,
            BinaryOperator::Divide
                | BinaryOperator::Multiply
                | BinaryOperator::Plus
                | BinaryOperator::Minus
        );
        if !arithmetic {
            return Ok(PlannerResult::Original(raw));
        }
        let (left, right) = (raw.left.get_type(schema)?, raw.right.get_type(schema)?);
        Ok(match self.meaning(&raw, &left, &right) {
            Some(expr) => PlannerResult::Planned(expr),
            None => PlannerResult::Original(raw),
        })
    }
}
