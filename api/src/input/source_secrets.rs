//! The secrets that a source verifies by: given, listed with their ends, or rotated.

use super::source_auth::MAX_VALUE;
use crate::{
    body::{Fields, Given},
    problem::Problem,
    times,
};
use model::{
    catalog::{LiveSecret, Secret, Verification},
    policy::signature::{Provider, registry},
    time::Timestamp,
};
use serde_json::Value;

/// The field that lists them all.
pub const SECRETS: &str = "secrets";

/// The credential that rotates: one alone replaces all, a list is taken as it is. Without any the source proves nothing
/// yet, and says so.
pub fn read(
    auth: &Fields<'_>,
    provider: &Provider,
    verification: &mut Verification,
    earlier: Option<&Verification>,
    min_secret_bytes: usize,
) -> Result<(), Problem> {
    let name = provider.secret;
    if name.is_empty() {
        return Ok(());
    }
    let kept = std::mem::take(&mut verification.secrets);
    let known = |secret: &str| {
        kept.iter()
            .find(|live| live.secret.reveal() == secret)
            .cloned()
    };
    let fresh = |secret: &str| LiveSecret::new(Secret::new(secret.to_owned()));
    let secrets = match (auth.list(SECRETS)?, auth.text(name, MAX_VALUE)?) {
        (Given::Value(list), _) => read_list(auth, list, known)?,
        // Clients that say the same again mean no change, also while an older one is still alive.
        (_, Given::Value(same)) if known(same).is_some() => kept.clone(),
        (_, Given::Value(secret)) => vec![fresh(secret)],
        (_, Given::Absent) => kept.clone(),
        (_, Given::Null) => Vec::new(),
    };
    // A secret that was taken once stays; but the same text is another key in another form.
    let form = |auth: &Verification| {
        let of = |name| auth.field(name).map(str::to_owned);
        [of("algorithm"), of("secret_form")]
    };
    let is_read_anew = earlier.is_none_or(|earlier| form(earlier) != form(verification));
    let is_new = |live: &&LiveSecret| is_read_anew || known(live.secret.reveal()).is_none();
    for live in secrets.iter().filter(is_new) {
        provider
            .check_secret(live.secret.reveal(), verification, min_secret_bytes)
            .map_err(|expected| auth.invalid(name, expected))?;
    }
    verification.secrets = secrets;
    Ok(())
}

fn read_list(
    auth: &Fields<'_>,
    list: &[Value],
    known: impl Fn(&str) -> Option<LiveSecret>,
) -> Result<Vec<LiveSecret>, Problem> {
    const KEY: &str = SECRETS;
    if list.is_empty() || list.len() > Verification::SECRETS_MAX {
        let most = Verification::SECRETS_MAX;
        return Err(auth.invalid(KEY, format!("expected 1 to {most} secrets")));
    }
    let mut secrets = Vec::with_capacity(list.len());
    for (at, value) in list.iter().enumerate() {
        let expected = || {
            auth.invalid(
                KEY,
                "expected objects with a secret and maybe an expires_at",
            )
        };
        let one = auth.item(KEY, at, value).map_err(|_| expected())?;
        let Given::Value(secret) = one.text("secret", MAX_VALUE)? else {
            return Err(one.invalid("secret", "expected a string"));
        };
        let expires_at = match one.text("expires_at", 64)? {
            Given::Value(text) => Some(times::read(&one.path("expires_at"), text)?),
            _ => None,
        };
        secrets.push(LiveSecret {
            expires_at,
            last_verified_at: known(secret).and_then(|known| known.last_verified_at),
            secret: Secret::new(secret.to_owned()),
        });
    }
    Ok(secrets)
}

/// A new secret beside the others, which end after a grace.
pub fn rotate(
    fields: &Fields<'_>,
    kept: &Verification,
    now: Timestamp,
    min_secret_bytes: usize,
) -> Result<Verification, Problem> {
    const GRACE_S: u64 = 24 * 3600;
    const GRACE_MAX_S: u64 = 30 * 24 * 3600;
    let unknown = || Problem::unprocessable("the source's type has no secret to rotate");
    let provider = registry::find(&kept.scheme).filter(|provider| !provider.secret.is_empty());
    let provider = provider.ok_or_else(unknown)?;
    let Given::Value(secret) = fields.text("secret", MAX_VALUE)? else {
        return Err(fields.invalid("secret", "expected the new secret"));
    };
    let grace_s = fields
        .whole("grace_s", 0, GRACE_MAX_S)?
        .value()
        .unwrap_or(GRACE_S);
    provider
        .check_secret(secret, kept, min_secret_bytes)
        .map_err(|expected| fields.invalid("secret", expected))?;
    let end = now.plus_ms(grace_s * 1000);
    let mut secrets: Vec<LiveSecret> = kept
        .secrets
        .iter()
        .filter(|live| live.is_live(now) && live.secret.reveal() != secret)
        .cloned()
        .collect();
    for live in &mut secrets {
        live.expires_at = Some(live.expires_at.map_or(end, |own| own.min(end)));
    }
    secrets.push(LiveSecret::new(Secret::new(secret.to_owned())));
    if secrets.len() > Verification::SECRETS_MAX {
        return Err(Problem::unprocessable(format!(
            "{} secrets are alive already; wait for one to expire, or set config.auth.secrets",
            Verification::SECRETS_MAX
        )));
    }
    Ok(Verification {
        secrets,
        ..kept.clone()
    })
}
