//! The Helm values that Istio knows, with their types, as `istioctl` checks them: `operator/pkg/apis/values_types.proto` of Istio 1.32. Names are as they
//! are there; `istioctl` takes both spellings of a name with an underscore.

use super::Fields;
use super::Kind::{Any, List, Map, Number, Part, Size, Text, Texts, Truth, Whole, Word};

/// All values.
pub(super) const VALUES: Fields = &[
    (Part(CNI), "cni"),
    (Part(GATEWAYS), "gateways"),
    (Part(GLOBAL), "global"),
    (Part(PILOT), "pilot"),
    (Any, "ztunnel gatewayClasses"),
    (Part(TELEMETRY), "telemetry"),
    (Part(SIDECAR_INJECTOR), "sidecarInjectorWebhook"),
    (Part(CNIUSAGE), "istioCni istio_cni"),
    (Text, "revision ownerName defaultRevision profile compatibilityVersion"),
    (Part(BASE), "base"),
    (Part(ISTIOD_REMOTE), "istiodRemote"),
    (List(&Text), "revisionTags"),
    (Part(EXPERIMENTAL), "experimental"),
    (Map, "meshConfig"),
];

const CNI: Fields = &[
    (Truth, "enabled chained privileged istioOwnedCNIConfig useAppArmorAnnotation"),
    (
        Text,
        "hub variant image pullPolicy cniBinDir cniConfDir cniConfFileName cniNetnsDir pspClusterRole psp_cluster_role logLevel provider istioOwnedCNIConfigFileName",
    ),
    (Any, "tag"),
    (List(&Text), "excludeNamespaces"),
    (Map, "affinity env daemonSetLabels podAnnotations podLabels seccompProfile"),
    (Part(GLOBAL_LOGGING), "logging"),
    (Part(CNIREPAIR), "repair"),
    (Part(RESOURCE_QUOTAS), "resourceQuotas resource_quotas"),
    (Part(RESOURCES), "resources"),
    (Part(CNIAMBIENT), "ambient"),
    (Size, "rollingMaxUnavailable"),
];

const GLOBAL_LOGGING: Fields = &[(Text, "level")];

const CNIREPAIR: Fields = &[
    (Truth, "enabled labelPods repairPods deletePods"),
    (Text, "hub image createEvents brokenPodLabelKey brokenPodLabelValue initContainerName"),
    (Any, "tag"),
];

const RESOURCE_QUOTAS: Fields = &[(Truth, "enabled"), (Whole, "pods")];

const RESOURCES: Fields = &[(Texts, "limits requests")];

const CNIAMBIENT: Fields = &[(Truth, "enabled dnsCapture ipv6 reconcileIptablesOnStartup"), (Text, "configDir")];

const GATEWAYS: Fields = &[
    (Part(EGRESS_GATEWAY), "istio-egressgateway istio_egressgateway"),
    (Truth, "enabled"),
    (Part(INGRESS_GATEWAY), "istio-ingressgateway istio_ingressgateway"),
    (Any, "securityContext seccompProfile"),
];

const EGRESS_GATEWAY: Fields = &[
    (Truth, "autoscaleEnabled customService enabled runAsRoot"),
    (Whole, "autoscaleMax autoscaleMin"),
    (Part(TARGET_UTILIZATION), "memory cpu"),
    (Map, "env nodeSelector podAnnotations serviceAnnotations"),
    (Texts, "labels"),
    (Text, "name type injectionTemplate ipFamilyPolicy"),
    (
        List(&Map),
        "podAntiAffinityLabelSelector podAntiAffinityTermLabelSelector tolerations configVolumes additionalContainers",
    ),
    (List(&Part(PORTS)), "ports"),
    (Part(RESOURCES), "resources"),
    (List(&Part(SECRET_VOLUME)), "secretVolumes"),
    (Size, "rollingMaxSurge rollingMaxUnavailable"),
    (Part(SERVICE_ACCOUNT), "serviceAccount"),
    (List(&Text), "ipFamilies"),
];

const TARGET_UTILIZATION: Fields = &[(Whole, "targetAverageUtilization")];

const PORTS: Fields = &[(Text, "name protocol"), (Whole, "port nodePort targetPort")];

const SECRET_VOLUME: Fields = &[(Text, "mountPath name secretName")];

const SERVICE_ACCOUNT: Fields = &[(Map, "annotations")];

const INGRESS_GATEWAY: Fields = &[
    (Truth, "autoscaleEnabled customService enabled runAsRoot"),
    (Whole, "autoscaleMax autoscaleMin replicaCount"),
    (Part(TARGET_UTILIZATION), "memory cpu"),
    (Map, "env nodeSelector podAnnotations resources serviceAnnotations"),
    (Texts, "labels"),
    (Text, "loadBalancerIP name type externalTrafficPolicy injectionTemplate ipFamilyPolicy"),
    (List(&Text), "loadBalancerSourceRanges ipFamilies"),
    (
        List(&Map),
        "podAntiAffinityLabelSelector podAntiAffinityTermLabelSelector tolerations ingressPorts additionalContainers configVolumes",
    ),
    (List(&Part(PORTS)), "ports"),
    (List(&Part(SECRET_VOLUME)), "secretVolumes"),
    (Size, "rollingMaxSurge rollingMaxUnavailable"),
    (Part(SERVICE_ACCOUNT), "serviceAccount"),
];

const GLOBAL: Fields = &[
    (Part(ARCH), "arch"),
    (List(&Text), "certSigners imagePullSecrets podDNSSearchNamespaces ipFamilies"),
    (
        Truth,
        "configValidation logAsJson omitSidecarInjectorConfigMap operatorManageWebhooks mountMtlsCerts externalIstiod configCluster nativeNftables enableReaderRBAC",
    ),
    (Map, "defaultNodeSelector meshNetworks"),
    (Part(DEFAULT_POD_DISRUPTION_BUDGET), "defaultPodDisruptionBudget"),
    (Part(DEFAULT_RESOURCES), "defaultResources"),
    (List(&Map), "defaultTolerations"),
    (
        Text,
        "hub imagePullPolicy istioNamespace meshID network priorityClassName variant remotePilotAddress pilotCertProvider jwtPolicy revision caAddress caName platform ipFamilyPolicy trustBundleName",
    ),
    (Part(GLOBAL_LOGGING), "logging"),
    (Part(MULTI_CLUSTER), "multiCluster"),
    (Part(PROXY), "proxy"),
    (Part(PROXY_INIT), "proxy_init"),
    (Part(SDS), "sds"),
    (Any, "tag"),
    (Part(TRACER), "tracer"),
    (Part(ISTIOD), "istiod"),
    (Part(STS), "sts"),
    (Part(WAYPOINT), "waypoint"),
    (Part(NETWORK_POLICY), "networkPolicy"),
    (Word(&["all", "cluster", "namespace"]), "resourceScope"),
    (Part(AGENTGATEWAY), "agentgateway"),
    (Part(READER_SERVICE_ACCOUNT), "readerServiceAccount"),
];

const ARCH: Fields = &[(Whole, "amd64 ppc64le s390x arm64")];

const DEFAULT_POD_DISRUPTION_BUDGET: Fields = &[(Truth, "enabled")];

const DEFAULT_RESOURCES: Fields = &[(Part(RESOURCES_REQUESTS), "requests")];

const RESOURCES_REQUESTS: Fields = &[(Text, "cpu memory")];

const MULTI_CLUSTER: Fields = &[(Truth, "enabled includeEnvoyFilter"), (Text, "clusterName globalDomainSuffix")];

const PROXY: Fields = &[
    (
        Text,
        "autoInject clusterDomain componentLogLevel excludeInboundPorts excludeIPRanges image includeIPRanges logLevel outlierLogPath excludeOutboundPorts includeInboundPorts includeOutboundPorts",
    ),
    (Truth, "enableCoreDump privileged holdApplicationUntilProxyStarts"),
    (Whole, "readinessInitialDelaySeconds readinessPeriodSeconds readinessFailureThreshold statusPort"),
    (Map, "seccompProfile lifecycle"),
    (Part(STARTUP_PROBE), "startupProbe"),
    (Part(RESOURCES), "resources"),
    (Word(&["zipkin", "lightstep", "datadog", "stackdriver", "openCensusAgent", "none"]), "tracer"),
];

const STARTUP_PROBE: Fields = &[(Truth, "enabled"), (Whole, "failureThreshold")];

const PROXY_INIT: Fields = &[(Text, "image"), (Part(RESOURCES), "resources")];

const SDS: Fields = &[(Map, "token")];

const TRACER: Fields = &[
    (Part(TRACER_DATADOG), "datadog"),
    (Part(TRACER_LIGHT_STEP), "lightstep"),
    (Part(TRACER_ZIPKIN), "zipkin"),
    (Part(TRACER_STACKDRIVER), "stackdriver"),
];

const TRACER_DATADOG: Fields = &[(Text, "address")];

const TRACER_LIGHT_STEP: Fields = &[(Text, "address accessToken")];

const TRACER_ZIPKIN: Fields = &[(Text, "address")];

const TRACER_STACKDRIVER: Fields =
    &[(Truth, "debug"), (Whole, "maxNumberOfAttributes maxNumberOfAnnotations maxNumberOfMessageEvents")];

const ISTIOD: Fields = &[(Truth, "enableAnalysis")];

const STS: Fields = &[(Whole, "servicePort")];

const WAYPOINT: Fields = &[
    (Part(RESOURCES), "resources"),
    (Map, "affinity nodeSelector"),
    (List(&Map), "topologySpreadConstraints toleration"),
];

const NETWORK_POLICY: Fields = &[(Truth, "enabled")];

const AGENTGATEWAY: Fields = &[(Text, "image")];

const READER_SERVICE_ACCOUNT: Fields = &[(Text, "name namespace")];

const PILOT: Fields = &[
    (Truth, "enabled autoscaleEnabled configMap"),
    (Whole, "autoscaleMin autoscaleMax replicaCount"),
    (
        Map,
        "autoscaleBehavior nodeSelector deploymentLabels podLabels env affinity podAnnotations serviceAnnotations serviceAccountAnnotations seccompProfile",
    ),
    (
        Text,
        "image keepaliveMaxServerConnectionAge jwksResolverExtraRootCA hub variant ipFamilyPolicy trustedZtunnelNamespace crlConfigMapName",
    ),
    (Number, "traceSampling"),
    (Part(RESOURCES), "resources"),
    (Part(TARGET_UTILIZATION), "cpu memory"),
    (Size, "rollingMaxSurge rollingMaxUnavailable"),
    (List(&Map), "tolerations topologySpreadConstraints extraContainerArgs volumeMounts volumes envVarFrom"),
    (Any, "tag"),
    (List(&Text), "ipFamilies"),
    (Part(CNIUSAGE), "cni"),
    (Part(PILOT_TAINT_CONTROLLER), "taint"),
    (Part(ISTIOD_REMOTE), "istiodRemote"),
];

const CNIUSAGE: Fields = &[(Truth, "enabled chained"), (Text, "provider")];

const PILOT_TAINT_CONTROLLER: Fields = &[(Truth, "enabled"), (Text, "namespace name")];

const ISTIOD_REMOTE: Fields =
    &[(Text, "injectionURL injectionPath injectionCABundle"), (Truth, "enabled enabledLocalInjectorIstiod")];

const TELEMETRY: Fields = &[(Truth, "enabled"), (Part(TELEMETRY_V2), "v2")];

const TELEMETRY_V2: Fields = &[
    (Truth, "enabled"),
    (Part(TELEMETRY_V2_PROMETHEUS), "prometheus"),
    (Part(TELEMETRY_V2_STACK_DRIVER), "stackdriver"),
];

const TELEMETRY_V2_PROMETHEUS: Fields = &[(Truth, "enabled")];

const TELEMETRY_V2_STACK_DRIVER: Fields = &[(Truth, "enabled")];

const SIDECAR_INJECTOR: Fields = &[
    (Truth, "enableNamespacesByDefault rewriteAppHTTPProbe"),
    (Text, "reinvocationPolicy injectionURL"),
    (List(&Map), "neverInjectSelector alwaysInjectSelector"),
    (Map, "injectedAnnotations templates"),
    (List(&Text), "defaultTemplates"),
];

const BASE: Fields = &[
    (Truth, "enableCRDTemplates enableIstioConfigCRDs validateGateway"),
    (List(&Text), "excludedCRDs"),
    (Text, "validationURL validationCABundle"),
];

const EXPERIMENTAL: Fields = &[(Truth, "stableValidationPolicy")];
