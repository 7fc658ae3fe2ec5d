//! The files of claims: the list that comes in, and the plan that is made of it.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use farelog_events::json;
use farelog_replay::claims::{CLAIMS_MAX, Claim, ClaimsPlan, PLAN_FORMAT};

use crate::cli::exit::Failure;

/// The columns of a list of claims, in any order.
const COLUMNS: [&str; 4] = ["program", "orderId", "orderLineId", "customerId"];

/// Most mistakes that are named at once.
const MISTAKES_MAX: usize = 20;

/// Reads a list of claims: comma-separated values in UTF-8, with a line of titles.
///
/// # Errors
/// The lines that are wrong, with what is wrong with each.
pub fn read_claims(path: &Path) -> Result<Vec<Claim>, Failure> {
    let bytes = fs::read(path).map_err(|error| unreadable(path, &error))?;
    let mistakes = match parse_claims(&bytes) {
        Ok(claims) => return Ok(claims),
        Err(mistakes) => mistakes,
    };
    let shown = &mistakes[..mistakes.len().min(MISTAKES_MAX)];
    let more = match mistakes.len() - shown.len() {
        0 => String::new(),
        more => format!("\n  and {more} more"),
    };
    Err(Failure::Failed(format!(
        "{} is no list of claims:\n  {}{more}",
        path.display(),
        shown.join("\n  ")
    )))
}

/// The claims, or everything that is wrong.
fn parse_claims(file: &[u8]) -> Result<Vec<Claim>, Vec<String>> {
    let text = file.strip_prefix(b"\xef\xbb\xbf").unwrap_or(file);
    let mut lines = Lines::of(text);
    let mut reader = csv::ReaderBuilder::new()
        .trim(csv::Trim::All)
        .from_reader(text);
    let titles = reader
        .headers()
        .map_err(|error| vec![mistake(&error, &mut lines)])?;
    let places = places_of_columns(titles)?;
    let (mut claims, mut mistakes) = (Vec::new(), Vec::new());
    for record in reader.records() {
        match record {
            Ok(record) => match claim(&record, lines.at(record.position()), places) {
                Ok(claim) => claims.push(claim),
                Err(mut wrong) => mistakes.append(&mut wrong),
            },
            Err(error) => mistakes.push(mistake(&error, &mut lines)),
        }
        if claims.len() > CLAIMS_MAX {
            mistakes.push(format!(
                "there are more than {CLAIMS_MAX} claims; cut the list in parts"
            ));
            break;
        }
    }
    if mistakes.is_empty() && claims.is_empty() {
        mistakes.push("there is no claim below the titles".to_owned());
    }
    if mistakes.is_empty() {
        Ok(claims)
    } else {
        Err(mistakes)
    }
}

fn places_of_columns(titles: &csv::StringRecord) -> Result<[usize; 4], Vec<String>> {
    let mut mistakes = Vec::new();
    for title in titles {
        if !COLUMNS.contains(&title) {
            mistakes.push(format!("line 1: {title:?} is no column of claims"));
        }
    }
    let mut places = [0; 4];
    for (place, column) in places.iter_mut().zip(COLUMNS) {
        let mut found = titles
            .iter()
            .enumerate()
            .filter(|(_, title)| *title == column);
        match (found.next(), found.next()) {
            (Some((index, _)), None) => *place = index,
            (None, _) => mistakes.push(format!("line 1: the column {column} is missing")),
            (Some(_), Some(_)) => {
                mistakes.push(format!("line 1: the column {column} stands twice"));
            }
        }
    }
    if mistakes.is_empty() {
        return Ok(places);
    }
    mistakes.push(format!("the first line must be: {}", COLUMNS.join(",")));
    Err(mistakes)
}

fn claim(record: &csv::StringRecord, line: u64, places: [usize; 4]) -> Result<Claim, Vec<String>> {
    let mut mistakes = Vec::new();
    let [program, order, order_line, customer] =
        places.map(|place| record.get(place).unwrap_or_default());
    let mut wrong =
        |column: &str, why: String| mistakes.push(format!("line {line}: {column}: {why}"));
    if program.is_empty() {
        wrong(
            COLUMNS[0],
            "a program's reference or id must be there".to_owned(),
        );
    }
    let order_id = order
        .parse()
        .map_err(|error| wrong(COLUMNS[1], format!("{error}")));
    let order_line_id = order_line
        .parse()
        .map_err(|error| wrong(COLUMNS[2], format!("{error}")));
    let customer_id = customer
        .parse()
        .map_err(|error| wrong(COLUMNS[3], format!("{error}")));
    match (order_id, order_line_id, customer_id) {
        (Ok(order_id), Ok(order_line_id), Ok(customer_id)) if mistakes.is_empty() => Ok(Claim {
            line,
            program: program.to_owned(),
            order_id,
            order_line_id,
            customer_id,
        }),
        _ => Err(mistakes),
    }
}

fn mistake(error: &csv::Error, lines: &mut Lines<'_>) -> String {
    let line = lines.at(error.position());
    match error.kind() {
        csv::ErrorKind::UnequalLengths {
            expected_len, len, ..
        } => format!("line {line}: has {len} values, and there are {expected_len} titles"),
        csv::ErrorKind::Utf8 { .. } => format!("line {line}: is no UTF-8"),
        csv::ErrorKind::Io(error) => format!("line {line}: can't be read: {error}"),
        _ => format!("line {line}: is not understood: {error}"),
    }
}

/// The lines of a text, counted as a person does. The library counts none that is empty.
struct Lines<'t> {
    text: &'t [u8],
    /// So far was counted.
    byte: usize,
    line: u64,
}

impl<'t> Lines<'t> {
    fn of(text: &'t [u8]) -> Self {
        Self {
            text,
            byte: 0,
            line: 1,
        }
    }

    /// The line of a record, which does not lie before the one that was asked for last.
    fn at(&mut self, position: Option<&csv::Position>) -> u64 {
        let start = position.and_then(|position| usize::try_from(position.byte()).ok());
        let start = start.unwrap_or(0);
        while let Some(&byte) = self.text.get(self.byte)
            && (self.byte < start || matches!(byte, b'\r' | b'\n'))
        {
            self.line += u64::from(byte == b'\n');
            self.byte += 1;
        }
        self.line
    }
}

/// Where the plan of a list goes when nobody says.
pub fn plan_path(claims: &Path) -> PathBuf {
    let mut name = claims.as_os_str().to_owned();
    name.push(".plan.json");
    name.into()
}

/// Makes sure that a plan would replace nothing.
///
/// # Errors
/// There is a file of that name.
pub fn check_is_free(path: &Path) -> Result<(), Failure> {
    if path.exists() {
        return Err(Failure::Failed(format!(
            "{} is there already; remove it, or name another file with --plan",
            path.display()
        )));
    }
    Ok(())
}

/// Writes a plan: all of it or nothing.
///
/// # Errors
/// The system refuses.
pub fn write_plan(path: &Path, plan: &ClaimsPlan) -> Result<(), Failure> {
    let mut partial = path.as_os_str().to_owned();
    partial.push(".partial");
    let partial = PathBuf::from(partial);
    let json = crate::cli::to_json(plan)?;
    File::create(&partial)
        .and_then(|mut file| {
            file.write_all(json.as_bytes())?;
            file.sync_all()
        })
        .and_then(|()| fs::rename(&partial, path))
        .map_err(|error| {
            Failure::Failed(format!(
                "the plan could not be written to {}: {error}",
                path.display()
            ))
        })
}

/// Reads a plan.
///
/// # Errors
/// It is none, or one of a newer farelog.
pub fn read_plan(path: &Path) -> Result<ClaimsPlan, Failure> {
    let text = fs::read_to_string(path).map_err(|error| unreadable(path, &error))?;
    let plan: ClaimsPlan = json::read(&text).map_err(|error| {
        Failure::Failed(format!(
            "{} is no plan of claims: {}{}",
            path.display(),
            if error.field.is_empty() {
                String::new()
            } else {
                format!("{}: ", error.field)
            },
            error.fault
        ))
    })?;
    if plan.format != PLAN_FORMAT {
        return Err(Failure::Failed(format!(
            "{} is a plan of format {}, and this farelog knows {PLAN_FORMAT}; make a new plan",
            path.display(),
            plan.format
        )));
    }
    Ok(plan)
}

fn unreadable(path: &Path, error: &io::Error) -> Failure {
    Failure::Failed(format!("{} can't be read: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mistakes(text: &str) -> Vec<String> {
        parse_claims(text.as_bytes()).unwrap_err()
    }

    #[test]
    fn columns_may_stand_in_any_order_and_a_claim_knows_its_line() {
        let text =
            "\u{feff}customerId, orderId ,orderLineId,program\nC1,O1,O1-1,reis\n\nC2,O2,O2-1,7\n";
        let claims = parse_claims(text.as_bytes()).unwrap();
        let found: Vec<_> = claims
            .iter()
            .map(|claim| {
                (
                    claim.line,
                    claim.program.as_str(),
                    claim.customer_id.as_str(),
                )
            })
            .collect();
        assert_eq!(found, [(2, "reis", "C1"), (4, "7", "C2")]);
    }

    #[test]
    fn every_line_that_is_wrong_is_named() {
        let text = "program,orderId,orderLineId,customerId\nreis,O1,O1-1,C1\n,O 2,O2-1,C2\nreis,O3\nreis,O4,O4-1,\n";
        assert_eq!(
            mistakes(text),
            [
                "line 3: program: a program's reference or id must be there",
                "line 3: orderId: an id is made of A-Z a-z 0-9 _ : -, this one has ' '",
                "line 4: has 2 values, and there are 4 titles",
                "line 5: customerId: an id must not be empty",
            ]
        );
        assert_eq!(
            mistakes("program;orderId;orderLineId;customerId\n")[0],
            r#"line 1: "program;orderId;orderLineId;customerId" is no column of claims"#
        );
        assert_eq!(
            mistakes("program,orderId,orderLineId,customerId\n"),
            ["there is no claim below the titles"]
        );
    }
}
