//! How each row was held against its sender: in which text of the sender's own its facts were read. A row that is not
//! here was taken from catalogues and receivers that cite the sender's page.

/// What the documents say of a row that was not held against a text of the sender's own.
const NOT_VERIFIED: &str = "not verified: receivers and catalogues that cite the page";

/// Rows with the repository of the sender's SDK or specification, or the words for its documentation.
const READ: &[(&str, &str)] = &[
    ("ADYEN", "SDK: Adyen/adyen-node-api-library"),
    ("API_KEY", "a form of this gateway's own"),
    ("AWS_SNS", "SDK: aws/aws-sdk-ruby"),
    ("BASIC_AUTH", "specification"),
    ("BOX", "SDK: box/box-python-sdk"),
    ("BRAINTREE", "SDK: braintree/braintree_python"),
    ("CLAUDE", "SDK: anthropics/anthropic-sdk-python"),
    ("CLERK", "SDK: clerk/javascript"),
    ("CLOUDEVENTS", "specification: cloudevents/spec"),
    ("CLOUDINARY", "SDK: cloudinary/cloudinary_npm"),
    ("COINBASE", "SDK: coinbase/coinbase-commerce-node"),
    ("COINBASE_COMMERCE", "SDK: coinbase/coinbase-commerce-node"),
    ("COINIFY", "documentation"),
    ("CONTENTFUL", "SDK: contentful/node-apps-toolkit"),
    ("EASYPOST", "SDK: EasyPost/easypost-python"),
    ("EBAY", "SDK: eBay/event-notification-nodejs-sdk"),
    ("ELEVENLABS", "SDK: elevenlabs/elevenlabs-python"),
    ("FRONT", "documentation"),
    ("FRONTAPP", "documentation"),
    ("GITHUB", "documentation; SDK: octokit/webhooks-methods.js"),
    ("GITLAB", "documentation"),
    ("GOCARDLESS", "SDK: gocardless/gocardless-nodejs"),
    ("HELPSCOUT", "SDK: helpscout/helpscout-api-php"),
    ("HMAC", "specification"),
    ("HTTP", "a form of this gateway's own"),
    ("HUBSPOT", "SDK: HubSpot/hubspot-api-nodejs"),
    ("JWT", "specification"),
    ("LINE", "SDK: line/line-bot-sdk-python"),
    ("LINEAR", "SDK: linear/linear"),
    ("LINKEDIN", "documentation"),
    ("LITHIC", "SDK: lithic-com/lithic-python"),
    ("LIVEKIT", "SDK: livekit/node-sdks"),
    ("MAILGUN", "documentation"),
    ("MESSAGEBIRD", "SDK: messagebird/go-rest-api"),
    ("MICROSOFT_GRAPH", "documentation"),
    ("MICROSOFT_SHAREPOINT", "documentation"),
    (
        "MODERN_TREASURY",
        "SDK: Modern-Treasury/modern-treasury-python",
    ),
    ("MOLLIE", "SDK: mollie/mollie-api-php"),
    ("MUX", "documentation of its SDK"),
    ("OPENAI", "SDK: openai/openai-python"),
    ("ORB", "SDK: orbcorp/orb-python"),
    ("PADDLE", "SDK: PaddleHQ/paddle-go-sdk"),
    ("PAGERDUTY", "SDK: PagerDuty/go-pagerduty"),
    ("PAYPAL", "SDK: paypal/PayPal-Python-SDK"),
    ("PLAID", "documentation"),
    ("PLIVO", "SDK: plivo/plivo-python"),
    ("POLAR", "SDK: polarsource/polar-js"),
    ("PUBLISH_API", "a form of this gateway's own"),
    ("PUSHER", "SDK: pusher/pusher-http-python"),
    ("RAZORPAY", "SDK: razorpay/razorpay-node"),
    ("RECALL", "documentation"),
    ("REPLICATE", "SDK: replicate/replicate-javascript"),
    ("RETELL", "SDK: RetellAI/retell-python-sdk"),
    ("SANITY", "SDK: sanity-io/webhook-toolkit"),
    ("SENDGRID", "SDK: sendgrid/sendgrid-python"),
    ("SLACK", "documentation"),
    ("SQUARE", "SDK: square/square-nodejs-sdk"),
    (
        "STANDARD_WEBHOOKS",
        "specification: standard-webhooks/standard-webhooks",
    ),
    (
        "STANDARD_WEBHOOKS_V1A",
        "specification: standard-webhooks/standard-webhooks",
    ),
    (
        "STRIPE",
        "SDK: stripe/stripe-python, stripe-go, stripe-ruby",
    ),
    ("SVIX", "SDK: svix/svix-webhooks"),
    ("TWILIO", "SDK: twilio/twilio-python"),
    ("VERCEL_LOG_DRAINS", "documentation"),
    ("WEBFLOW", "SDK: webflow/js-webflow-api"),
    ("WEBHOOK", "a form of this gateway's own"),
    ("WORKOS", "SDK: workos/workos-node"),
    ("ZOOM", "documentation"),
];

/// Where the facts of a row were read.
#[must_use]
pub fn read_in(name: &str) -> &'static str {
    let found = READ.iter().find(|(known, _)| *known == name);
    found.map_or(NOT_VERIFIED, |(_, text)| text)
}

#[cfg(test)]
mod tests {
    use super::{super::find, *};

    #[test]
    fn every_row_that_was_read_is_a_row() {
        for (name, _) in READ {
            assert!(find(name).is_some(), "{name}");
        }
    }
}
