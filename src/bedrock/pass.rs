//! Leave to repeat, for a short while, what the SDK has just done.
//!
//! The SDK puts a call together from nothing each time: plugins, layers of configuration, endpoint rules, identity,
//! a dozen interceptors. For the same operation and model it comes to the same endpoint, identity and headers as a
//! second ago; only body and time differ. So whoever has seen the SDK sign a call keeps what it came to, a
//! [`Pass`], and signs the next calls with it, by AWS's own signing crate.
//!
//! A pass is only issued if it gives the very signature that the SDK has given, only used if Bedrock has
//! accepted that call, ends after [`VALID`] or with its credentials' era, and is torn up when Bedrock refuses one. Then
//! the SDK makes the next call, with new credentials if that was it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use aws_runtime::auth::sigv4::SigV4AuthScheme;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::auth::{AuthScheme, AuthSchemeEndpointConfig, AuthSchemeId, Sign};
use aws_smithy_runtime_api::client::identity::{Identity, SharedIdentityResolver};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::runtime_components::{GetIdentityResolver, RuntimeComponents};
use aws_smithy_types::config_bag::ConfigBag;
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_LENGTH};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri};
use tokio::time::Instant;

use super::clock::Clock;
use super::exchange;
use super::{ModelId, Operation};

/// How long a pass is used at most.
const VALID: Duration = Duration::from_mins(1);

/// It ends so long before its credentials do: the SDK will have renewed them by then.
const EARLY: Duration = Duration::from_secs(30);

/// So long ago at most the SDK has read the same clock.
const SKEW: Duration = Duration::from_secs(5);

/// A longer body isn't hashed a second time to see whether a pass would hold.
const LONGEST_PROOF: usize = 1024 * 1024;

/// Most passes that are kept: models are named by clients.
const MOST: usize = 256;

/// A header of one call, beside those that all calls have.
type Further = (&'static str, String);

/// What the SDK came to for one operation and model.
#[derive(Debug)]
pub(super) struct Pass {
    method: Method,
    uri: Uri,
    /// As it is signed.
    address: String,
    /// Without what is each call's own: its further headers, the body's length, the time and the signature.
    headers: HeaderMap,
    identity: Identity,
    region: String,
    service: String,
    until: Instant,
    /// Of the credentials.
    era: u64,
}

impl Pass {
    /// The pass for a request that the SDK has signed; `before` are its headers as they were. `None` if a pass
    /// would not do the same.
    fn of(
        request: &HttpRequest,
        before: &[(String, String)],
        identity: &Identity,
        own: &exchange::Request,
        now: SystemTime,
    ) -> Option<Self> {
        let exchange::Request::Body { headers: further, body } = own else { return None };
        if body.len() > LONGEST_PROOF {
            return None;
        }
        let authorization = request.headers().get(AUTHORIZATION.as_str())?;
        // `AWS4-HMAC-SHA256 Credential=AKIA…/20261125/us-east-1/bedrock/aws4_request, SignedHeaders=…`
        let mut scope = authorization.split_once(" Credential=")?.1.split(',').next()?.split('/').skip(2);
        let (region, service) = (scope.next()?.to_owned(), scope.next()?.to_owned());
        let valid = match identity.expiration() {
            None => VALID,
            Some(end) => VALID.min(end.duration_since(now).unwrap_or_default().saturating_sub(EARLY)),
        };
        if valid.is_zero() {
            return None;
        }
        let mut headers = HeaderMap::with_capacity(before.len() + 4);
        let calls_own =
            |name: &str| name == CONTENT_LENGTH.as_str() || further.iter().any(|(own, _)| *own == name);
        for (name, value) in before.iter().filter(|(name, _)| !calls_own(name)) {
            let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), HeaderValue::from_str(value)) else {
                return None;
            };
            headers.append(name, value);
        }
        let (Ok(method), Ok(uri)) = (request.method().parse(), request.uri().parse()) else { return None };
        let address = request.uri().to_owned();
        let until = Instant::now() + valid;
        let identity = identity.clone();
        let pass = Self { method, uri, address, headers, identity, region, service, until, era: 0 };
        // The SDK's signature names its second, which may be the one before.
        let proven = (0..=SKEW.as_secs()).any(|ago| {
            let time = now - Duration::from_secs(ago);
            pass.sign(further, body.clone(), time).is_ok_and(|signed| {
                signed.headers().get(AUTHORIZATION).is_some_and(|ours| ours == authorization)
            })
        });
        proven.then_some(pass)
    }

    /// The same, as one that ends with this era.
    pub(super) fn of_era(self, era: u64) -> Self {
        Self { era, ..self }
    }

    /// A request with this body and these headers besides, signed at this time.
    pub(super) fn sign(
        &self,
        further: &[Further],
        body: Bytes,
        time: SystemTime,
    ) -> Result<Request<Bytes>, BoxError> {
        let mut headers = self.headers.clone();
        for (name, value) in further {
            headers.insert(HeaderName::try_from(*name)?, HeaderValue::from_str(value)?);
        }
        headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
        let params = v4::SigningParams::builder()
            .identity(&self.identity)
            .region(&self.region)
            .name(&self.service)
            .time(time)
            .settings(SigningSettings::default())
            .build()?
            .into();
        let signed = {
            let mut texts = Vec::with_capacity(headers.len());
            for (name, value) in &headers {
                texts.push((name.as_str(), value.to_str()?));
            }
            let body = SignableBody::Bytes(&body);
            let request =
                SignableRequest::new(self.method.as_str(), self.address.as_str(), texts.into_iter(), body)?;
            sign(request, &params)?.into_parts().0
        };
        let mut request = Request::new(body);
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = self.uri.clone();
        *request.headers_mut() = headers;
        signed.apply_to_request_http1x(&mut request);
        Ok(request)
    }
}

/// The passes of one client.
#[derive(Debug, Default)]
pub(super) struct Passes(Mutex<HashMap<Operation, HashMap<ModelId, Arc<Pass>>>>);

impl Passes {
    fn lock(&self) -> MutexGuard<'_, HashMap<Operation, HashMap<ModelId, Arc<Pass>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One that still holds.
    pub(super) fn find(&self, operation: Operation, model: &ModelId, era: u64) -> Option<Arc<Pass>> {
        let passes = self.lock();
        let pass = passes.get(&operation)?.get(model)?;
        (pass.era == era && Instant::now() < pass.until).then(|| Arc::clone(pass))
    }

    pub(super) fn keep(&self, operation: Operation, model: ModelId, pass: Pass) {
        let mut passes = self.lock();
        let passes = passes.entry(operation).or_default();
        if passes.len() >= MOST {
            let now = Instant::now();
            passes.retain(|_, pass| now < pass.until);
        }
        if passes.len() < MOST {
            passes.insert(model, Arc::new(pass));
        }
    }

    pub(super) fn tear_up(&self, operation: Operation, model: &ModelId) {
        if let Some(passes) = self.lock().get_mut(&operation) {
            passes.remove(model);
        }
    }
}

/// The SDK's own signing, watched.
#[derive(Debug)]
pub(super) struct Watched {
    inner: SigV4AuthScheme,
    clock: Clock,
}

impl Watched {
    /// `clock` is the SDK's as well.
    pub(super) fn new(clock: Clock) -> Self {
        Self { inner: SigV4AuthScheme::default(), clock }
    }
}

impl AuthScheme for Watched {
    fn scheme_id(&self) -> AuthSchemeId {
        self.inner.scheme_id()
    }

    fn identity_resolver(&self, resolvers: &dyn GetIdentityResolver) -> Option<SharedIdentityResolver> {
        self.inner.identity_resolver(resolvers)
    }

    fn signer(&self) -> &dyn Sign {
        self
    }
}

impl Sign for Watched {
    fn sign_http_request(
        &self,
        request: &mut HttpRequest,
        identity: &Identity,
        endpoint: AuthSchemeEndpointConfig<'_>,
        components: &RuntimeComponents,
        config: &ConfigBag,
    ) -> Result<(), BoxError> {
        let before: Vec<_> =
            request.headers().iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        self.inner.signer().sign_http_request(request, identity, endpoint, components, config)?;
        if let Some(pass) = Pass::of(request, &before, identity, &exchange::request()?, self.clock.time()) {
            exchange::issue(pass)?;
        }
        Ok(())
    }
}
