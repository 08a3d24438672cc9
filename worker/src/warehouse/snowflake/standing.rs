//! Where a session stands, and how it gets to where a statement wants it: role, warehouse, database
//! and schema, and nothing else. What a statement does there is not known here.

use super::connection::Place;
use super::session::{Condition, SnowflakeSession};
use super::statement::{Effect, Unanswered};
use crate::warehouse::{Context, Limits, WarehouseError};

impl SnowflakeSession {
    /// Goes where the statement wants to stand.
    pub(super) async fn stand(
        &mut self,
        context: &Context,
        limits: &Limits,
    ) -> Result<(), Unanswered> {
        let wanted = self.wanted(context)?;
        let is_to_go =
            |now: &Option<String>, wanted: &Option<String>| now.is_some() && wanted.is_none();
        if is_to_go(&self.place.role, &wanted.role)
            || is_to_go(&self.place.warehouse, &wanted.warehouse)
            || is_to_go(&self.place.database, &wanted.database)
        {
            // There is no statement for "none".
            self.anew().await?;
        }
        if wanted.role != self.place.role {
            self.go("ROLE", &[&wanted.role], limits).await?;
            // A role may bring a warehouse and a database of its own.
            self.place = Place { role: wanted.role.clone(), ..Place::default() };
        }
        if wanted.warehouse != self.place.warehouse {
            self.go("WAREHOUSE", &[&wanted.warehouse], limits).await?;
            self.place.warehouse.clone_from(&wanted.warehouse);
        }
        if wanted.database != self.place.database || wanted.schema != self.place.schema {
            match &wanted.schema {
                Some(_) => self.go("SCHEMA", &[&wanted.database, &wanted.schema], limits).await?,
                None => self.go("DATABASE", &[&wanted.database], limits).await?,
            }
            self.place.database.clone_from(&wanted.database);
            self.place.schema.clone_from(&wanted.schema);
        }
        Ok(())
    }

    /// The place that a context means here.
    fn wanted(&self, context: &Context) -> Result<Place, WarehouseError> {
        let own = &self.welcome.place;
        let (database, schema) = match (&context.database, &context.schema) {
            (None, None) => (own.database.clone(), own.schema.clone()),
            (None, Some(schema)) if own.database.is_none() => {
                return Err(WarehouseError::Statement {
                    message: format!(
                        "schema {schema} of which database? Name one; there is no default"
                    ),
                });
            }
            (None, Some(schema)) => (own.database.clone(), Some(schema.clone())),
            (Some(_), None) if context.database == own.database => {
                (own.database.clone(), own.schema.clone())
            }
            (Some(database), schema) => (Some(database.clone()), schema.clone()),
        };
        Ok(Place {
            role: context.role.clone().or_else(|| own.role.clone()),
            warehouse: context.warehouse.clone().or_else(|| own.warehouse.clone()),
            database,
            schema,
        })
    }

    async fn go(
        &mut self,
        kind: &str,
        names: &[&Option<String>],
        limits: &Limits,
    ) -> Result<(), Unanswered> {
        let quoted = |name: &String| format!("\"{}\"", name.replace('"', "\"\""));
        let names: Vec<String> =
            names.iter().filter_map(|name| name.as_ref().map(quoted)).collect();
        let ask = self.ask(&Context::default(), Effect::Reads, limits);
        // Where it stands is not known until the server has said so.
        let before = std::mem::replace(&mut self.condition, Condition::Marked);
        let moved = self.library.run(&format!("USE {kind} {}", names.join(".")), ask).await;
        match &moved {
            Ok(_) | Err(Unanswered::Failed(WarehouseError::Statement { .. })) => {
                self.condition = before;
            }
            Err(Unanswered::SessionGone | Unanswered::Failed(_)) => {}
        }
        moved.map(drop)
    }
}
