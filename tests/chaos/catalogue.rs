//! The accounts of a run, and the sandbox's behaviours by what becomes of a refund that meets one.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use serde_json::Value;

use crate::support::sandbox::http;

/// A provider of the sandbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Provider {
    Afterpay,
    Airalo,
    Moyasar,
    Worldline,
}

/// How a provider is used.
pub(crate) struct Catalogue {
    pub(crate) provider: Provider,
    /// Accounts whose orders are good.
    pub(crate) plain: &'static [&'static str],
    /// The account whose orders misbehave for a while.
    pub(crate) odd: &'static str,
    /// The account whose orders misbehave for ever, or trouble the account: whatever is open there may wait.
    pub(crate) shut: &'static str,
    /// Codes of orders that end.
    pub(crate) odd_codes: &'static [&'static str],
    /// Of those, what a fault may leave open for ever: the provider takes back what nobody saw, or knows of
    /// no order when it is looked for, which is no absence.
    pub(crate) may_wait: &'static [&'static str],
    /// Codes of orders that need not end.
    pub(crate) shut_codes: &'static [&'static str],
    /// Codes that are not used.
    pub(crate) lies: &'static [&'static str],
}

/// Why the codes of `lies` are not used: the provider breaks its word, and no rule can see through it.
///
/// 60 to 65: it doubles or forgets what its key is to keep single, so that one send again after a crash is a
/// second effect. Moyasar 23: it refuses what it took. Airalo 11: it takes the others of a call that it
/// refuses, so that going alone takes them twice.
const _LIES: () = ();

const AFTERPAY: Catalogue = Catalogue {
    provider: Provider::Afterpay,
    plain: &["afterpay"],
    odd: "afterpay_odd",
    shut: "afterpay_shut",
    odd_codes: &[
        "00", "10", "11", "12", "13", "14", "15", "16", "17", "18", "19", "20", "21", "22", "23", "24", "25",
        "27", "28", "29", "30", "31", "32", "33", "40", "41", "42", "43", "44", "45", "46", "47", "48", "49",
        "50", "51", "52", "53", "54", "55", "56", "57", "58", "59", "70", "72",
    ],
    may_wait: &["72"],
    shut_codes: &["26", "71", "73", "74", "80", "81", "82", "83", "84", "85", "86"],
    lies: &["60", "61", "62", "63"],
};

const AIRALO: Catalogue = Catalogue {
    provider: Provider::Airalo,
    plain: &["airalo"],
    odd: "airalo_odd",
    shut: "airalo_shut",
    odd_codes: &[
        "00", "10", "12", "13", "14", "15", "16", "17", "18", "19", "20", "21", "22", "23", "24", "25", "27",
        "28", "29", "30", "31", "32", "33", "34", "35", "36", "37", "38", "40", "41", "42", "43", "44", "45",
        "46", "47", "48", "49", "50", "51", "52", "53", "54", "55", "56", "57", "58", "59", "60", "61", "62",
        "63", "64", "65", "70", "73", "75", "76", "81", "82", "83", "84",
    ],
    may_wait: &["62", "63"],
    shut_codes: &["26", "71", "72", "74", "80", "85", "86"],
    lies: &["11"],
};

const MOYASAR: Catalogue = Catalogue {
    provider: Provider::Moyasar,
    plain: &["moyasar"],
    odd: "moyasar_odd",
    shut: "moyasar_shut",
    odd_codes: &[
        "00", "10", "11", "12", "13", "14", "15", "17", "18", "19", "20", "21", "22", "24", "25", "27", "28",
        "29", "30", "31", "32", "33", "34", "35", "36", "37", "40", "41", "42", "43", "44", "45", "46", "47",
        "48", "49", "50", "51", "52", "70", "72", "75", "80", "81", "82", "85", "88", "89", "90", "91", "94",
        "97",
    ],
    may_wait: &["72", "88"],
    shut_codes: &[
        "16", "26", "53", "54", "55", "56", "57", "58", "59", "71", "73", "74", "79", "83", "84", "86", "87",
        "92", "93", "95", "96", "98", "99",
    ],
    lies: &["23", "60", "61", "62", "63", "64", "65"],
};

const WORLDLINE: Catalogue = Catalogue {
    provider: Provider::Worldline,
    plain: &["worldline", "worldline_b"],
    odd: "worldline_odd",
    shut: "worldline_shut",
    odd_codes: &[
        "00", "01", "02", "03", "05", "06", "07", "08", "11", "12", "13", "14", "15", "16", "17", "18", "19",
        "20", "21", "22", "23", "24", "25", "27", "28", "29", "30", "31", "32", "33", "34", "35", "36", "37",
        "38", "39", "40", "41", "42", "43", "44", "45", "46", "47", "48", "49", "50", "51", "52", "53", "54",
        "55", "56", "57", "58", "59", "64", "65", "66", "67", "68", "70", "72", "75", "77", "78", "87", "88",
        "89", "91", "92", "93", "94", "95",
    ],
    may_wait: &["72", "77", "78"],
    shut_codes: &[
        "04", "09", "10", "26", "69", "71", "73", "74", "76", "79", "80", "81", "82", "83", "84", "85", "86",
        "90", "96", "97", "98", "99",
    ],
    lies: &["60", "61", "62", "63"],
};

/// All of them.
pub(crate) const CATALOGUES: [&Catalogue; 4] = [&AFTERPAY, &AIRALO, &MOYASAR, &WORLDLINE];

impl Provider {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Afterpay => "afterpay",
            Self::Airalo => "airalo",
            Self::Moyasar => "moyasar",
            Self::Worldline => "worldline",
        }
    }

    pub(crate) fn catalogue(self) -> &'static Catalogue {
        CATALOGUES.into_iter().find(|catalogue| catalogue.provider == self).unwrap()
    }

    /// Whether the provider names our keys when it shows an order, so that a database that forgot a send can
    /// learn of it.
    pub(crate) fn names_keys(self) -> bool {
        matches!(self, Self::Afterpay | Self::Moyasar)
    }

    /// The currency of its orders, and what is captured of each, minor units.
    pub(crate) fn captured(self) -> (&'static str, i64) {
        match self {
            Self::Afterpay => ("AUD", 100_000),
            Self::Airalo => ("USD", 0),
            Self::Moyasar => ("SAR", 1_000_000),
            Self::Worldline => ("EUR", 100_000),
        }
    }

    /// A good order, or eSIM, of a number.
    pub(crate) fn plain_order(self, number: u64) -> String {
        match self {
            Self::Afterpay => format!("1{number:015}"),
            Self::Airalo => format!("8940{number:014}"),
            Self::Moyasar => format!("01910000-0000-7000-8000-{number:012x}"),
            Self::Worldline => format!("wl-1-{number}"),
        }
    }

    /// One that misbehaves.
    pub(crate) fn odd_order(self, code: &str, number: u64) -> String {
        match self {
            Self::Afterpay => format!("99{code}{number:012}"),
            Self::Airalo => format!("8999{code}{number:012}"),
            Self::Moyasar => format!("99{code}0000-0000-7000-8000-{number:012x}"),
            Self::Worldline => format!("wl-99{code}-{number}"),
        }
    }
}

impl Catalogue {
    pub(crate) fn accounts(&self) -> impl Iterator<Item = &'static str> {
        self.plain.iter().copied().chain([self.odd, self.shut])
    }

    /// Holds the codes against the sandbox's table: each is used, or said not to be.
    pub(crate) async fn check(&self, sandbox: SocketAddr) {
        let path = format!("/control/{}/behaviours", self.provider.word());
        let table = http(sandbox, "GET", &path, "").await;
        let rows = table.as_array().unwrap_or_else(|| table["behaviours"].as_array().unwrap());
        let listed: BTreeSet<&str> = rows.iter().filter_map(|row| row["code"].as_str()).collect();
        let own = [self.odd_codes, self.shut_codes, self.lies].concat();
        assert_eq!(own.len(), listed.len(), "{}: a code stands twice or is missing", self.provider.word());
        assert_eq!(own.into_iter().collect::<BTreeSet<_>>(), listed, "{}", self.provider.word());
    }
}

/// The provider of an account.
pub(crate) fn provider_of(account: &str) -> Provider {
    CATALOGUES.into_iter().find(|c| c.accounts().any(|own| own == account)).unwrap().provider
}

/// The settings of all accounts: those of the scene's account of the provider, and its own address.
pub(crate) fn account_variables(scene: &[(String, String)], sandbox: SocketAddr) -> Vec<(String, String)> {
    let mut variables = Vec::new();
    for catalogue in CATALOGUES {
        let word = catalogue.provider.word();
        let from = format!("REFUNDS__ACCOUNTS__{}__", word.to_ascii_uppercase());
        for account in catalogue.accounts() {
            let to = format!("REFUNDS__ACCOUNTS__{}__", account.to_ascii_uppercase());
            let copied = scene.iter().filter_map(|(key, value)| Some((key.strip_prefix(&from)?, value)));
            variables.extend(copied.map(|(key, value)| (format!("{to}{key}"), value.clone())));
            let mut set = |key: &str, value: &str| variables.push((format!("{to}{key}"), value.to_owned()));
            set("BASE_URL", &format!("http://{sandbox}/{word}"));
            for (key, value) in SETTINGS {
                set(key, value);
            }
            if catalogue.provider == Provider::Airalo {
                set("RATE__PER_MS", "200");
                // A long run has hundreds in doubt for ever, whose looks must leave room for others.
                set("AIRALO__LOOKUP_RATE__REQUESTS", "500");
                set("AIRALO__EGRESS", account);
            }
        }
    }
    variables
}

/// Short times, so that what is undecided moves; a breaker that does not hide a provider's faults for long.
const SETTINGS: &[(&str, &str)] = &[
    ("CONCURRENCY_MAX", "16"),
    ("SCHEDULE__BACKOFF_MAX_MS", "1000"),
    ("SCHEDULE__BREAKER_FAILURES", "1000"),
    ("SCHEDULE__PROBE_MIN_MS", "100"),
    ("SCHEDULE__PROBE_MAX_MS", "300"),
    ("SCHEDULE__REFUSAL_LOOKUP_DELAY_MS", "2500"),
    ("SCHEDULE__CHECK_SCHEDULE_MS", "100,300,1000,2000"),
];

/// A text of a JSON value's field.
pub(crate) fn text(value: &Value, field: &str) -> String {
    value[field].as_str().unwrap_or_default().to_owned()
}
