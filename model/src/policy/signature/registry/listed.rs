//! Types that clients of the admin API know and whose schemes we don't. A source of such a type says which generic
//! scheme it takes; until then it keeps what it was given and proves nothing.

/// The names, in the order of the alphabet, each with the fields that the admin API documents in its `config.auth`.
pub const WITHOUT_SCHEME: &[(&str, &[&str])] = &[
    ("AIPRISE", &["webhook_secret_key"]),
    ("AIRWALLEX", &["webhook_secret_key"]),
    ("ALIPAY", &["public_key"]),
    ("ASCEND", &["webhook_secret_key"]),
    ("ASHBY", &["webhook_secret_key"]),
    ("BIGCOMMERCE", &["webhook_secret_key"]),
    ("BONDSMITH", &["webhook_secret_key"]),
    ("BRIDGE_API", &["webhook_secret_key"]),
    ("CHAINDOTS", &["webhook_secret_key"]),
    ("CLIO", &["webhook_secret_key"]),
    ("CLOUDSIGNAL", &["api_key"]),
    ("ETHOCA", &[]),
    ("EXACT_ONLINE", &["webhook_secret_key"]),
    ("FAUNDIT", &["webhook_secret_key"]),
    ("FIREFLIES", &["webhook_secret_key"]),
    ("FISERV", &["webhook_secret_key", "store_name"]),
    ("FLEXPORT", &["webhook_secret_key"]),
    ("GEMINI", &["webhook_secret_key"]),
    ("HOOKDECK_OUTPOST", &[]),
    ("MANAGED", &[]),
    ("MERAKI", &["api_key"]),
    ("NEON", &["neon_auth_url"]),
    ("NUVEMSHOP", &["webhook_secret_key"]),
    ("PAYMOB", &["webhook_secret_key"]),
    ("PAYPRO_GLOBAL", &["webhook_secret_key"]),
    ("PICQER", &["webhook_secret_key"]),
    ("PORTAL", &["webhook_secret_key"]),
    ("QUOTER", &["webhook_secret_key"]),
    ("REPAY", &["webhook_secret_key"]),
    ("SCRAPFLY", &["webhook_secret_key"]),
    ("SHIPBOB", &["webhook_secret_key"]),
    ("SHIPHERO", &["webhook_secret_key"]),
    ("SMILE", &["webhook_secret_key"]),
    ("THREE_D_EYE", &["webhook_secret_key"]),
    ("UBER", &["webhook_secret_key"]),
    ("UPOLLO", &["webhook_secret_key"]),
    ("USPS", &["webhook_secret_key"]),
    ("WALMART", &["webhook_secret_key"]),
    ("WECHAT", &["public_key"]),
    ("ZEROHASH", &["webhook_secret_key"]),
    ("ZIFT", &[]),
];

/// The fields of a type's `config.auth`, where it is one of these.
#[must_use]
pub fn documented(name: &str) -> Option<&'static [&'static str]> {
    let listed = WITHOUT_SCHEME.iter().find(|(known, _)| *known == name)?;
    Some(listed.1)
}
