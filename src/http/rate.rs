//! How many requests a caller may make: a share for each that names itself, a small one for all that don't (contract,
//! section 1).

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::problem::Problem;
use super::state::Server;
use crate::errors;

/// The header in which a caller names itself, `<company>-<application>`.
pub static ET_CLIENT_NAME: HeaderName = HeaderName::from_static("et-client-name");

/// Longest name of a caller that is taken for one, in bytes.
pub const CLIENT_NAME_BYTES_MAX: usize = 128;

/// Callers whose share is kept apart. Beyond that, names that come new share the allowance of the unnamed, so that
/// making up names gains nothing.
pub const CALLERS_MAX: usize = 10_000;

const MINUTE: Duration = Duration::from_secs(60);

/// The shares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimits {
    /// Requests a minute for each caller that names itself.
    pub named_per_minute: NonZeroU32,
    /// Requests a minute for all others together.
    pub unnamed_per_minute: NonZeroU32,
    /// Whether a caller without a name is refused outright.
    pub require_name: bool,
}

impl Default for RateLimits {
    fn default() -> Self {
        Self {
            named_per_minute: NonZeroU32::new(600).unwrap_or(NonZeroU32::MIN),
            unnamed_per_minute: NonZeroU32::new(30).unwrap_or(NonZeroU32::MIN),
            require_name: false,
        }
    }
}

/// What is left of each caller's share.
///
/// A share of N a minute is a bucket of N that fills up evenly; of each bucket only the moment is kept at which it will
/// be full again (the generic cell rate algorithm).
#[derive(Debug)]
pub struct RateLimiter {
    limits: RateLimits,
    full_at: Mutex<HashMap<Option<Box<str>>, Instant>>,
}

impl RateLimiter {
    /// All shares whole.
    pub fn new(limits: RateLimits) -> Self {
        Self {
            limits,
            full_at: Mutex::default(),
        }
    }

    /// Takes one request off the caller's share, or says how long until it can be.
    ///
    /// # Errors
    /// The time until the share has room for one request.
    pub fn take(&self, caller: Option<&str>, now: Instant) -> Result<(), Duration> {
        let mut full_at = self.full_at.lock().unwrap_or_else(PoisonError::into_inner);
        let mut caller = caller.map(Box::from);
        if !full_at.contains_key(&caller) && full_at.len() >= CALLERS_MAX {
            full_at.retain(|_, full_at| *full_at > now);
            if full_at.len() >= CALLERS_MAX {
                caller = None;
            }
        }
        let per_minute = match caller {
            Some(_) => self.limits.named_per_minute,
            None => self.limits.unnamed_per_minute,
        };
        let full_at = full_at.entry(caller).or_insert(now);
        let after = (*full_at).max(now) + MINUTE / per_minute.get();
        let over = after.saturating_duration_since(now + MINUTE);
        if over.is_zero() {
            *full_at = after;
            Ok(())
        } else {
            Err(over)
        }
    }
}

/// The name that the caller gives itself; one that is not of the form `<company>-<application>` is none.
pub fn client_name(headers: &HeaderMap) -> Option<&str> {
    let name = headers.get(&ET_CLIENT_NAME)?.to_str().ok()?.trim();
    let (company, application) = name.split_once('-')?;
    let fits = name.len() <= CLIENT_NAME_BYTES_MAX
        && !company.is_empty()
        && !application.is_empty()
        && name
            .bytes()
            .all(|byte| byte.is_ascii_graphic() || byte == b' ');
    fits.then_some(name)
}

/// Says what the figure of this layer means.
pub fn describe_metrics() {
    metrics::describe_counter!(
        "farelog_http_rate_limited_total",
        "Requests refused since the caller's share was used up"
    );
}

/// The layer that holds callers to their share. Health, metrics and descriptions are not below it.
pub async fn limit(State(server): State<Server>, request: Request, next: Next) -> Response {
    let limiter = server.rate_limiter();
    let caller = client_name(request.headers());
    if caller.is_none() && limiter.limits.require_name {
        return Problem::new(
            &errors::CLIENT_NAME_REQUIRED,
            "The header ET-Client-Name must name the caller as <company>-<application>.",
        )
        .into_response();
    }
    match limiter.take(caller, Instant::now()) {
        Ok(()) => next.run(request).await,
        Err(wait) => {
            metrics::counter!("farelog_http_rate_limited_total", "named" => caller.is_some().to_string())
                .increment(1);
            let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
            Problem::new(
                &errors::RATE_LIMITED,
                match caller {
                    Some(_) => "The caller's requests for this minute are used up.",
                    None => {
                        "The requests that unnamed callers share for this minute are used up; send ET-Client-Name."
                    }
                },
            )
            .with_header(header::RETRY_AFTER, HeaderValue::from(seconds))
            .into_response()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limiter(named: u32, unnamed: u32) -> RateLimiter {
        RateLimiter::new(RateLimits {
            named_per_minute: NonZeroU32::new(named).unwrap(),
            unnamed_per_minute: NonZeroU32::new(unnamed).unwrap(),
            require_name: false,
        })
    }

    #[test]
    fn a_share_can_be_used_at_once_and_fills_up_evenly() {
        let limiter = limiter(60, 2);
        let start = Instant::now();
        for _ in 0..60 {
            assert_eq!(limiter.take(Some("acme-shop"), start), Ok(()));
        }
        assert_eq!(
            limiter.take(Some("acme-shop"), start),
            Err(Duration::from_secs(1))
        );
        assert_eq!(limiter.take(Some("acme-app"), start), Ok(()));
        let later = start + Duration::from_secs(1);
        assert_eq!(limiter.take(Some("acme-shop"), later), Ok(()));
        assert!(limiter.take(Some("acme-shop"), later).is_err());
    }

    #[test]
    fn the_unnamed_share_one_allowance() {
        let limiter = limiter(60, 2);
        let now = Instant::now();
        assert_eq!(limiter.take(None, now), Ok(()));
        assert_eq!(limiter.take(None, now), Ok(()));
        assert_eq!(limiter.take(None, now), Err(Duration::from_secs(30)));
    }

    #[test]
    fn made_up_names_take_neither_memory_nor_share() {
        let limiter = limiter(60, 2);
        let now = Instant::now();
        let admitted = (0..CALLERS_MAX + 100)
            .filter(|n| limiter.take(Some(&format!("made-up{n}")), now).is_ok())
            .count();
        assert!(admitted <= CALLERS_MAX + 2, "{admitted}");
        assert!(limiter.full_at.lock().unwrap().len() <= CALLERS_MAX + 1);
        // Once the made-up shares are full again they are forgotten.
        let later = now + MINUTE;
        assert_eq!(limiter.take(Some("acme-shop"), later), Ok(()));
        assert!(limiter.full_at.lock().unwrap().len() < 10);
    }

    #[test]
    fn a_name_has_a_company_and_an_application() {
        let of = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(&ET_CLIENT_NAME, value.parse().unwrap());
            client_name(&headers).map(str::to_owned)
        };
        assert_eq!(of("acme-ticket shop"), Some("acme-ticket shop".to_owned()));
        for unfit in ["acme", "-shop", "acme-", &format!("a-{}", "b".repeat(200))] {
            assert_eq!(of(unfit), None, "{unfit}");
        }
    }
}
