//! How each row was held against its sender: in which text of the sender's own its facts were read. A row that is not
//! here was taken from catalogues and receivers that cite the sender's page.

/// What the documents say of a row that was not held against a text of the sender's own.
const NOT_VERIFIED: &str = "not verified: receivers and catalogues that cite the page";

/// Rows with the repository of the sender's SDK or specification, or the words for its documentation.
const READ: &[(&str, &str)] = &[
    ("ACUITY", "SDK: AcuityScheduling/acuity-js"),
    ("ADOBE", "SDK: adobe/aio-lib-events, aio-lib-java"),
    ("ADYEN", "SDK: Adyen/adyen-node-api-library"),
    ("AKENEO", "documentation: akeneo/pim-api-docs"),
    ("API_KEY", "a form of this gateway's own"),
    ("ASANA", "sample: Asana/devrel-examples"),
    ("AWS_SNS", "SDK: aws/aws-sdk-ruby"),
    ("BASIC_AUTH", "specification"),
    ("BOX", "SDK: box/box-python-sdk"),
    ("BRAINTREE", "SDK: braintree/braintree_python"),
    ("BRIDGE_XYZ", "documentation"),
    ("BUILDKITE", "documentation: buildkite/docs"),
    ("CALCOM", "source: calcom/cal.com"),
    ("CALENDLY", "documentation"),
    ("CHARGEBEE", "SDK: chargebee/chargebee-node"),
    ("CHARGEBEE_BILLING", "SDK: chargebee/chargebee-node"),
    ("CIRCLECI", "documentation: circleci/circleci-docs"),
    ("CLAUDE", "SDK: anthropics/anthropic-sdk-python"),
    ("CLERK", "SDK: clerk/javascript"),
    ("CLICKUP", "documentation"),
    ("CLOUDEVENTS", "specification: cloudevents/spec"),
    (
        "CLOUDFLARE_NOTIFICATIONS",
        "documentation: cloudflare/cloudflare-docs",
    ),
    (
        "CLOUDFLARE_STREAM",
        "documentation: cloudflare/cloudflare-docs",
    ),
    ("CLOUDINARY", "SDK: cloudinary/cloudinary_npm"),
    ("COINBASE", "SDK: coinbase/coinbase-commerce-node"),
    (
        "COINBASE_CDP",
        "documentation; SDK of its platform: hook0-client",
    ),
    ("COINBASE_COMMERCE", "SDK: coinbase/coinbase-commerce-node"),
    ("COINIFY", "documentation"),
    (
        "COMMERCELAYER",
        "documentation: commercelayer/commercelayer-docs-api",
    ),
    ("CONTENTFUL", "SDK: contentful/node-apps-toolkit"),
    ("CRISP", "SDK: crisp-im/node-crisp-api"),
    ("DEEPGRAM", "documentation: deepgram/deepgram-docs"),
    ("DISCORD", "SDK: discord/discord-interactions-js"),
    ("DROPBOX", "sample: dropbox/mdwebhook"),
    ("DROPBOX_SIGN", "SDK: hellosign/dropbox-sign-node"),
    ("EASYPOST", "SDK: EasyPost/easypost-python"),
    ("EBAY", "SDK: eBay/event-notification-nodejs-sdk"),
    ("ELEVENLABS", "SDK: elevenlabs/elevenlabs-python"),
    ("FRONT", "documentation"),
    ("FRONTAPP", "documentation"),
    ("FUSIONAUTH", "documentation: FusionAuth/fusionauth-site"),
    ("GITHUB", "documentation; SDK: octokit/webhooks-methods.js"),
    ("GITLAB", "documentation"),
    ("GOCARDLESS", "SDK: gocardless/gocardless-nodejs"),
    ("HELPSCOUT", "SDK: helpscout/helpscout-api-php"),
    ("HMAC", "specification"),
    ("HOOKDECK", "SDK: @hookdeck/sdk"),
    ("HTTP", "a form of this gateway's own"),
    ("HUBSPOT", "SDK: HubSpot/hubspot-api-nodejs"),
    ("HUGGING_FACE", "documentation: huggingface/hub-docs"),
    ("JWT", "specification"),
    ("LEMONSQUEEZY", "sample: lmsqueezy/nextjs-billing"),
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
    ("NOTION", "SDK: makenotion/notion-sdk-js"),
    ("OKTA", "documentation: okta/okta-developer-docs"),
    ("OPENAI", "SDK: openai/openai-python"),
    ("ORB", "SDK: orbcorp/orb-python"),
    ("PADDLE", "SDK: PaddleHQ/paddle-go-sdk"),
    ("PAGERDUTY", "SDK: PagerDuty/go-pagerduty"),
    ("PAYPAL", "SDK: paypal/PayPal-Python-SDK"),
    ("PERSONA", "documentation"),
    ("PLAID", "documentation"),
    ("PLIVO", "SDK: plivo/plivo-python"),
    ("POLAR", "SDK: polarsource/polar-js"),
    ("PUBLISH_API", "a form of this gateway's own"),
    ("PUSHER", "SDK: pusher/pusher-http-python"),
    ("RAZORPAY", "SDK: razorpay/razorpay-node"),
    ("RECALL", "documentation"),
    ("REPLICATE", "SDK: replicate/replicate-javascript"),
    ("RESEND", "SDK: resend/resend-node; documentation"),
    ("RETELL", "SDK: RetellAI/retell-python-sdk"),
    (
        "RING_CENTRAL",
        "documentation: ringcentral/ringcentral-api-docs",
    ),
    ("SANITY", "SDK: sanity-io/webhook-toolkit"),
    ("SEGMENT", "documentation: segmentio/segment-docs"),
    ("SENDGRID", "SDK: sendgrid/sendgrid-python"),
    ("SENTRY", "documentation: getsentry/sentry-docs"),
    ("SHOPIFY", "SDK: Shopify/shopify-app-js"),
    ("SLACK", "documentation"),
    ("SMARTCAR", "SDK: smartcar/node-sdk"),
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
    ("TEAMS", "documentation: MicrosoftDocs/msteams-docs"),
    ("TELNYX", "SDK: team-telnyx/telnyx-node"),
    ("TWILIO", "SDK: twilio/twilio-python"),
    ("TWITCH", "SDK: twitchdev/twitch-cli"),
    (
        "VAPI",
        "documentation: VapiAI/docs; SDK: @vapi-ai/server-sdk",
    ),
    ("VERCEL_LOG_DRAINS", "documentation"),
    ("WEBEX", "SDK: webex/webex-node-bot-framework"),
    ("WEBFLOW", "SDK: webflow/js-webflow-api"),
    ("WEBHOOK", "a form of this gateway's own"),
    ("WHATSAPP", "SDK: WhatsApp/WhatsApp-Nodejs-SDK"),
    ("WHEREBY", "documentation"),
    ("WIX", "SDK: @wix/sdk"),
    ("WOOCOMMERCE", "source: woocommerce/woocommerce"),
    ("WORKOS", "SDK: workos/workos-node"),
    ("ZENDESK", "documentation"),
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
