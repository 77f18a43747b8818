//! What senders and receivers make the control group remember, and that none of it changes the catalog.

use crate::kit::{NOW, World, configure};
use model::{
    catalog::{
        Catalogs, Destination, DisabledBy, HandshakeKind, Handshaken, Item, Kind, LiveSecret,
        Secret, Source, Ties, Verification, secret_fingerprint,
    },
    ids::{DestinationId, SourceId},
    kit,
    machine::{
        Change, Command, ConfigureTied, KeepHandshake, ObserveReply, ObserveSecretUse,
        ObserveWishes, Reply,
    },
    policy::receiver::AllowedRate,
    state::{
        codec,
        kv::{Kv, Table},
        tables,
    },
    time::Timestamp,
};

const SOURCE: SourceId = SourceId(1);
const DESTINATION: DestinationId = DestinationId(1);

fn source(verification: Verification) -> Item {
    Item::Source(Source {
        verification,
        ..kit::source()
    })
}

fn asana() -> Item {
    source(Verification::of("ASANA"))
}

fn secrets(of: &[&str]) -> Vec<LiveSecret> {
    let secret = |text: &&str| LiveSecret::new(Secret::new((*text).into()));
    of.iter().map(secret).collect()
}

/// A world in which these things are configured.
fn configured(items: &[Item]) -> World {
    let mut world = World::default();
    let encoded: Vec<_> = items.iter().map(codec::encode_json).collect();
    let puts = encoded.iter().map(|item| Change::Put(item)).collect();
    world.apply(NOW, &configure(0, puts));
    world
}

fn catalog(world: &World) -> Catalogs {
    Catalogs::load(&world.rows).expect("readable")
}

fn in_force(world: &World) -> Source {
    Source::clone(&catalog(world).default_project().sources[&SOURCE])
}

fn receivers(world: &World) -> Destination {
    Destination::clone(&catalog(world).default_project().destinations[&DESTINATION])
}

fn handshake(kind: HandshakeKind, value: &str) -> Command<'static> {
    Command::KeepHandshake(KeepHandshake {
        source: SOURCE,
        scheme: "ASANA".into(),
        kind,
        value: Secret::new(value.into()),
    })
}

fn learns(secret: &str) -> Command<'static> {
    handshake(HandshakeKind::SecretLearned, secret)
}

fn used(secret: &str) -> Command<'static> {
    Command::ObserveSecretUse(ObserveSecretUse {
        source: SOURCE,
        secret: secret_fingerprint(&Secret::new(secret.into())),
    })
}

fn wishes(disable: Option<DisabledBy>, rate: Option<AllowedRate>) -> Command<'static> {
    Command::ObserveWishes(ObserveWishes {
        destination: DESTINATION,
        disable,
        rate,
    })
}

fn gone() -> Command<'static> {
    wishes(Some(DisabledBy::Gone), None)
}

fn told(world: &mut World, at: Timestamp, command: &Command<'_>) -> ObserveReply {
    match world.apply(at, command).0 {
        Reply::Observed(reply) => reply,
        other => panic!("{other:?}"),
    }
}

fn is_kept(world: &mut World, command: &Command<'_>) -> bool {
    told(world, NOW, command) != ObserveReply::Refused
}

fn proving(world: &World) -> Vec<String> {
    let secrets = in_force(world).verification.secrets;
    let secrets = secrets.iter().map(|live| live.secret.reveal().to_owned());
    secrets.collect()
}

/// An admin's change, decided from one moment of the catalog.
fn changes(world: &mut World, from: &Catalogs, made: Item) {
    let (item, overruled) = from.written(made);
    let encoded = codec::encode_json(&item);
    let ties = Ties::of(from, &[item], &[]);
    let overruled = overruled.into_iter().map(Change::Overrule);
    let command = Command::ConfigureTied(ConfigureTied {
        seen_version: from.version,
        checked: ties.checked.into_iter().collect(),
        marked: ties.marked.into_iter().collect(),
        changes: std::iter::once(Change::Put(&encoded))
            .chain(overruled)
            .collect(),
    });
    let reply = world.apply(NOW, &command).0;
    assert!(matches!(reply, Reply::Configured(Ok(_))), "{reply:?}");
}

fn deletes(world: &mut World, kind: Kind) {
    let version = world.version();
    world.apply(NOW, &configure(version, vec![Change::Delete(kind, 1)]));
}

#[test]
fn nothing_that_strangers_do_changes_the_catalogs_version() {
    let mut verification = Verification::of("GITHUB");
    verification.secrets = secrets(&["old", "new"]);
    let destination = Item::Destination(kit::destination());
    let mut world = configured(&[source(verification), destination.clone()]);
    let (version, ties) = (world.version(), world.ties());
    for command in [
        used("old"),
        used("new"),
        learns("a"),
        gone(),
        wishes(None, Some(AllowedRate::PerMinute(60))),
        wishes(None, Some(AllowedRate::Any)),
    ] {
        world.apply(NOW, &command);
        assert_eq!((world.version(), world.ties()), (version, ties));
    }
    let mut world = configured(&[asana(), destination]);
    let version = world.version();
    for secret in ["a", "a", "b"] {
        world.apply(NOW, &learns(secret));
        assert_eq!(world.version(), version);
    }
}

#[test]
fn an_admins_change_does_not_conflict_with_what_was_observed_meanwhile() {
    let mut world = configured(&[asana(), Item::Destination(kit::destination())]);
    let seen = catalog(&world);
    assert!(is_kept(&mut world, &learns("a")));
    assert!(is_kept(&mut world, &gone()));
    let renamed = Source {
        name: "other".into(),
        ..Source::clone(&seen.default_project().sources[&SOURCE])
    };
    changes(&mut world, &seen, Item::Source(renamed));
    let described = Destination {
        description: Some("d".into()),
        ..Destination::clone(&seen.default_project().destinations[&DESTINATION])
    };
    changes(&mut world, &seen, Item::Destination(described));
    // Nor does it undo it.
    assert_eq!(in_force(&world).name, "other");
    assert_eq!(proving(&world), ["a"]);
    assert_eq!(receivers(&world).wishes.disabled_by, Some(DisabledBy::Gone));
}

#[test]
fn the_first_secret_that_a_sender_brings_stays() {
    let mut world = configured(&[asana()]);
    assert!(is_kept(&mut world, &learns("a")));
    let rows = world.rows.clone();
    assert!(is_kept(&mut world, &learns("a")), "it asked twice");
    assert!(!is_kept(&mut world, &learns("b")));
    assert_eq!(world.rows, rows);
    assert_eq!(proving(&world), ["a"]);
    let left = in_force(&world)
        .verification
        .handshake
        .expect("a handshake");
    assert_eq!((left.kind, left.at), (HandshakeKind::SecretLearned, NOW));
}

#[test]
fn a_source_with_a_secret_learns_none_and_one_that_is_gone_nothing() {
    let mut verification = Verification::of("ASANA");
    verification.secrets = secrets(&["set"]);
    let mut world = configured(&[source(verification)]);
    assert!(!is_kept(&mut world, &learns("a")));
    deletes(&mut world, Kind::Source);
    assert!(!is_kept(&mut world, &learns("a")));
    assert!(!is_kept(&mut world, &used("set")));
    assert!(!is_kept(&mut world, &gone()));
}

#[test]
fn a_handshake_of_another_scheme_than_the_sources_is_refused() {
    let mut world = configured(&[source(Verification::of("GITHUB"))]);
    assert!(!is_kept(&mut world, &learns("a")));
}

#[test]
fn what_a_stranger_leaves_is_one_value_of_a_bounded_size() {
    let mut world = configured(&[asana()]);
    let url = |url: &str| handshake(HandshakeKind::ConfirmUrl, url);
    assert!(!is_kept(&mut world, &url(&"u".repeat(9_000))));
    for number in 0..50 {
        assert!(is_kept(&mut world, &url(&format!("https://c/{number}"))));
    }
    assert_eq!(world.keys(Table::Index).len(), 1);
    let left = in_force(&world)
        .verification
        .handshake
        .expect("a handshake");
    assert_eq!(left.value.reveal(), "https://c/49");
    for number in 0..50 {
        assert!(!is_kept(&mut world, &used(&format!("guess {number}"))));
    }
}

#[test]
fn the_last_use_of_a_secret_only_moves_on() {
    let mut verification = Verification::of("GITHUB");
    verification.secrets = secrets(&["old", "new"]);
    let mut world = configured(&[source(verification)]);
    let last = |world: &World| {
        let secrets = in_force(world).verification.secrets;
        secrets
            .iter()
            .map(|live| live.last_verified_at)
            .collect::<Vec<_>>()
    };
    told(&mut world, NOW.plus_ms(9), &used("old"));
    assert_eq!(last(&world), [Some(NOW.plus_ms(9)), None]);
    let rows = world.rows.clone();
    told(&mut world, NOW.plus_ms(8), &used("old"));
    assert_eq!(world.rows, rows);
    told(&mut world, NOW.plus_ms(10), &used("new"));
    assert_eq!(last(&world), [Some(NOW.plus_ms(9)), Some(NOW.plus_ms(10))]);
}

#[test]
fn rows_go_with_what_they_are_about() {
    let mut verification = Verification::of("ASANA");
    verification.secrets = secrets(&["old", "new"]);
    let mut world = configured(&[source(verification), Item::Destination(kit::destination())]);
    told(&mut world, NOW, &used("old"));
    told(&mut world, NOW, &used("new"));
    told(&mut world, NOW, &gone());
    let seen = catalog(&world);
    let mut rotated = Source::clone(&seen.default_project().sources[&SOURCE]);
    rotated.verification.secrets.remove(0);
    changes(&mut world, &seen, Item::Source(rotated));
    let observed = tables::source_observed(&world.rows, SOURCE).expect("readable");
    assert_eq!(observed.expect("a row").last_uses.len(), 1);
    deletes(&mut world, Kind::Source);
    deletes(&mut world, Kind::Destination);
    assert_eq!(tables::sources_observed(&world.rows).expect("readable"), []);
    assert_eq!(
        tables::destinations_observed(&world.rows).expect("readable"),
        []
    );
}

#[test]
fn an_admin_who_sets_secrets_overrules_what_was_learned() {
    let mut world = configured(&[asana()]);
    let before = catalog(&world);
    assert!(is_kept(&mut world, &learns("a")));
    // Decided before the sender came: the admin's secret is the one, now and later.
    let mut set = Source::clone(&before.default_project().sources[&SOURCE]);
    set.verification.secrets = secrets(&["set"]);
    changes(&mut world, &before, Item::Source(set));
    assert_eq!(proving(&world), ["set"]);
    let seen = catalog(&world);
    let mut cleared = Source::clone(&seen.default_project().sources[&SOURCE]);
    cleared.verification.secrets.clear();
    changes(&mut world, &seen, Item::Source(cleared));
    assert_eq!(proving(&world), Vec::<String>::new());
}

#[test]
fn an_admin_who_rotates_a_learned_secret_takes_it_over() {
    let mut world = configured(&[asana()]);
    assert!(is_kept(&mut world, &learns("a")));
    let seen = catalog(&world);
    let mut rotated = Source::clone(&seen.default_project().sources[&SOURCE]);
    rotated.verification.secrets.extend(secrets(&["b"]));
    changes(&mut world, &seen, Item::Source(rotated));
    assert_eq!(proving(&world), ["a", "b"]);
    assert_eq!(tables::sources_observed(&world.rows).expect("readable"), []);
    assert!(in_force(&world).verification.handshake.is_some());
}

#[test]
fn a_receiver_disables_its_destination_once_and_an_admin_enables_it() {
    let mut world = configured(&[Item::Destination(kit::destination())]);
    assert!(is_kept(&mut world, &gone()));
    let disabled = receivers(&world);
    assert_eq!(
        (disabled.disabled_at, disabled.updated_at),
        (Some(NOW), NOW)
    );
    let rows = world.rows.clone();
    let again = wishes(Some(DisabledBy::Control), None);
    assert!(is_kept(&mut world, &again));
    assert_eq!(world.rows, rows);

    let seen = catalog(&world);
    let mut enabled = receivers(&world);
    enabled.disabled_at = None;
    enabled.wishes.disabled_by = None;
    changes(&mut world, &seen, Item::Destination(enabled));
    assert_eq!(receivers(&world).disabled_at, None);
    // Its next answer counts again.
    assert!(is_kept(&mut world, &gone()));
    assert!(receivers(&world).disabled_at.is_some());
}

#[test]
fn a_rate_that_a_receiver_asks_for_stands_until_it_is_taken_back() {
    let mut world = configured(&[Item::Destination(kit::destination())]);
    let asks = |rate| wishes(None, Some(rate));
    assert!(is_kept(&mut world, &asks(AllowedRate::PerMinute(60))));
    assert_eq!(receivers(&world).wishes.rate_per_minute, Some(60));
    assert!(is_kept(&mut world, &asks(AllowedRate::Any)));
    assert_eq!(receivers(&world).wishes.rate_per_minute, None);
    assert!(is_kept(&mut world, &asks(AllowedRate::PerMinute(30))));
    let seen = catalog(&world);
    let mut paced = receivers(&world);
    paced.rate_limit = Some(5);
    paced.wishes.rate_per_minute = None;
    changes(&mut world, &seen, Item::Destination(paced));
    assert_eq!(receivers(&world).wishes.rate_per_minute, None);
}

#[test]
fn what_an_earlier_version_wrote_into_the_catalog_counts_until_it_is_overruled() {
    let mut verification = Verification::of("ASANA");
    verification.secrets = secrets(&["a"]);
    verification.secrets[0].last_verified_at = Some(NOW);
    verification.handshake = Some(Handshaken {
        kind: HandshakeKind::SecretLearned,
        value: Secret::new("a".into()),
        at: NOW,
    });
    let mut destination = kit::destination();
    destination.disabled_at = Some(NOW);
    destination.wishes.disabled_by = Some(DisabledBy::Gone);
    destination.wishes.rate_per_minute = Some(60);
    let items = [source(verification), Item::Destination(destination)];
    let mut world = configured(&items);
    let rows = world.rows.clone();
    assert!(is_kept(&mut world, &learns("a")), "the sender asked twice");
    assert!(!is_kept(&mut world, &learns("b")));
    assert!(is_kept(&mut world, &gone()));
    assert_eq!(world.rows, rows);
    let [Item::Source(before), Item::Destination(wished)] = &items else {
        panic!("{items:?}")
    };
    assert_eq!((&in_force(&world), &receivers(&world)), (before, wished));

    let any = wishes(None, Some(AllowedRate::Any));
    assert!(is_kept(&mut world, &any));
    assert_eq!(receivers(&world).wishes.rate_per_minute, None);
    let seen = catalog(&world);
    let mut enabled = receivers(&world);
    enabled.disabled_at = None;
    enabled.wishes.disabled_by = None;
    changes(&mut world, &seen, Item::Destination(enabled));
    assert_eq!(receivers(&world).disabled_at, None);
}

#[test]
fn a_damaged_row_is_refused_and_not_passed_over() {
    let mut world = configured(&[asana()]);
    let key = model::state::keys::source_observed(SOURCE);
    world.rows.put(Table::Index, &key, &[1, 0xff]);
    assert!(Catalogs::load(&world.rows).is_err());
}
