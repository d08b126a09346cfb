//! The names by which the services are watched and disturbed.

use std::time::Duration;

/// The services that can be watched and disturbed one by one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Service {
    /// AssumeRole and AssumeRoleWithWebIdentity.
    Sts,
    /// EKS Pod Identity's credential endpoint.
    PodIdentity,
    /// GetAuthorizationToken of private ECR.
    Ecr,
    /// GetAuthorizationToken of ECR Public.
    EcrPublic,
    /// ECR Public's registry token endpoint.
    EcrPublicToken,
    /// Entra ID's token endpoint.
    Entra,
    /// Managed identity.
    ManagedIdentity,
    /// ACR's exchange of an Entra token for a refresh token.
    AcrExchange,
    /// ACR's registry token endpoint, which also makes repository-scoped passwords.
    AcrToken,
    /// Docker Hub's API login.
    HubLogin,
    /// Personal and organization access tokens.
    HubTokens,
    /// Docker's OIDC exchange.
    HubOidc,
    /// Docker Hub's registry token endpoint.
    HubToken,
    /// Private ECR registries.
    EcrRegistry,
    /// `public.ecr.aws`.
    EcrPublicRegistry,
    /// ACR registries.
    AcrRegistry,
    /// `registry-1.docker.io`.
    HubRegistry,
}

impl Service {
    /// All of them.
    pub const ALL: [Self; 17] = [
        Self::Sts,
        Self::PodIdentity,
        Self::Ecr,
        Self::EcrPublic,
        Self::EcrPublicToken,
        Self::Entra,
        Self::ManagedIdentity,
        Self::AcrExchange,
        Self::AcrToken,
        Self::HubLogin,
        Self::HubTokens,
        Self::HubOidc,
        Self::HubToken,
        Self::EcrRegistry,
        Self::EcrPublicRegistry,
        Self::AcrRegistry,
        Self::HubRegistry,
    ];

    /// What only a client that pulls, or tries whether it could, asks.
    pub(super) const VERIFYING: [Self; 7] = [
        Self::EcrPublicToken,
        Self::AcrToken,
        Self::HubToken,
        Self::EcrRegistry,
        Self::EcrPublicRegistry,
        Self::AcrRegistry,
        Self::HubRegistry,
    ];

    /// How long the cloud's own credentials live.
    pub(super) fn usual_life(self) -> Duration {
        Duration::from_secs(match self {
            Self::Ecr | Self::EcrPublic => 12 * 3600,
            Self::PodIdentity => 6 * 3600,
            Self::AcrExchange => 3 * 3600,
            Self::AcrToken => 75 * 60,
            Self::HubLogin => 10 * 60,
            Self::HubToken | Self::EcrPublicToken => 5 * 60,
            _ => 3600,
        })
    }
}
