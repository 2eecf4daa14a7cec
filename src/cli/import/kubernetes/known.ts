import type { Advice, Known } from '#cli/import/book.ts'

const same = (names: readonly string[], message: string, fix: string): Record<string, Advice> =>
  Object.fromEntries(names.map((name) => [name, { message, fix }]))

/** What no spec says, by the names of Kubernetes' fields. */
export const known: Known = {
  harmless: [
    'status',
    ...['creationTimestamp', 'managedFields', 'uid', 'resourceVersion', 'generation', 'selfLink'].map(
      (name) => `metadata.${name}`,
    ),
    'metadata.annotations.kubectl.kubernetes.io/last-applied-configuration',
    'metadata.annotations.deployment.kubernetes.io/revision',
    'rayClusterSpec.rayVersion', // the image decides
  ],
  advice: {
    ...same(['namespace'], 'a site of Isobar has one namespace', 'say whose it is: isobar run FILE --project NAME'),
    ...same(['annotations'], 'specs have no annotations', 'write what people look for below labels'),
    ...same(
      ['ownerReferences', 'finalizers', 'selector', 'manualSelector', 'managedBy', 'podReplacementPolicy'],
      'it tells a controller of Kubernetes what is whose, and Isobar knows that by itself',
      'nothing to do',
    ),
    ...same(
      ['volumes', 'volumeMounts', 'volumeClaimTemplates', 'volumeClaimPolicies', 'volumeDevices'],
      'a spec mounts nothing: not every site has such a volume',
      'take code along with workdir, save to $ISOBAR_CHECKPOINT_DIR, and read data from object storage (data: names it)',
    ),
    ...same(
      ['affinity', 'podAffinity', 'podAntiAffinity', 'topologySpreadConstraints', 'nodeName'],
      'a spec says what is near in words of its own',
      'write topology: { within: nvlink } for a gang, or placement: { spread: site } for a service',
    ),
    ...same(
      ['securityContext', 'serviceAccountName', 'serviceAccount', 'automountServiceAccountToken', 'hostUsers'],
      'rights of pods are given by their site, not by a spec',
      'where it needs rights, give them to the account of the site; keys belong into secrets',
    ),
    ...same(
      ['hostNetwork', 'hostIPC', 'hostPID', 'dnsPolicy', 'dnsConfig', 'hostAliases', 'subdomain', 'hostname'],
      'the network of a node is a matter of its site',
      'find peers by MASTER_ADDR and ISOBAR_NODE_ADDRESSES',
    ),
    ...same(
      ['setHostnameAsFQDN', 'enableServiceLinks', 'network', 'networkConfig', 'hostPort', 'hostIP'],
      'the network of a node is a matter of its site',
      'find peers by MASTER_ADDR and ISOBAR_NODE_ADDRESSES',
    ),
    ...same(
      ['imagePullSecrets', 'imagePullPolicy'],
      'how images are pulled is a matter of the site',
      'give the account of the site its pull secret',
    ),
    ...same(
      ['livenessProbe', 'startupProbe', 'lifecycle', 'terminationMessagePath', 'terminationMessagePolicy'],
      'a spec has one check, readiness, and what ends is started again',
      'end the program when it is stuck; save on SIGTERM',
    ),
    ...same(
      ['readinessProbe', 'minReadySeconds', 'progressDeadlineSeconds'],
      'services are ready by HTTP or TCP at their first port',
      'write readiness: { path: /health, period: 5s }',
    ),
    ...same(
      ['strategy', 'rolloutStrategy', 'revisionHistoryLimit', 'paused', 'startupPolicy'],
      'a service is changed by submitting the new one',
      'start the new one beside it, then stop the old: isobar stop NAME',
    ),
    ...same(
      [
        'backoffLimit',
        'backoffLimitPerIndex',
        'maxFailedIndexes',
        'podFailurePolicy',
        'failurePolicy',
        'restartPolicy',
      ],
      'after a failure it is started again only for exit codes that are named; after a loss of its nodes always',
      'write retry: { onExit: [75], times: 3 } with the codes that are worth another try',
    ),
    ...same(
      ['elasticPolicy', 'successPolicy', 'coordinator', 'dependsOn'],
      'a gang starts and ends as a whole',
      'nothing to do where that is what it needs',
    ),
    ...same(
      ['ttlSecondsAfterFinished', 'cleanPodPolicy'],
      'what has ended is kept as long as the server says',
      'isobar serve --keep-days 7',
    ),
    ...same(['suspend'], 'whether it waits is no part of a spec', 'submit it, then: isobar hold NAME'),
    ...same(
      ['priorityClassName', 'priorityClass', 'priority', 'preemptionPolicy', 'kueue.x-k8s.io/priority-class'],
      'what this class is worth is known in its cluster',
      'write priority: 100, from -1000 to 1000',
    ),
    ...same(
      ['queue', 'schedulingPolicy', 'schedulerName', 'schedulingGates', 'runtimeClassName'],
      'Isobar places gangs itself',
      'say whose it is: isobar run FILE --project NAME',
    ),
    ...same(
      ['resourceClaims', 'claims'],
      'a spec asks for accelerators by their model',
      'write resources: { accelerators: GB200:4 }',
    ),
    ...same(['ports'], 'jobs and arrays serve nothing', 'write kind: service, or listen on a port of your own'),
    ...same(
      ['tolerationSeconds'],
      'how long a silent node is waited for is a setting of its site (patience)',
      'nothing to do',
    ),
    ...same(
      ['runtimeEnvYAML'],
      'nothing installs it when it starts',
      'write its packages as setup: pip install …, its env_vars below env, its working_dir as workdir',
    ),
    ...same(['stdin', 'stdinOnce', 'tty'], 'nobody types to what runs', 'give it a file of the workdir'),
  },
}
