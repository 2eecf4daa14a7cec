/** What a pod may do. */
type Asked = {
  /** Whom its programs run as, as the site says; undefined: as the image says. */
  user: number | undefined
  /** Cards of its network write to memory that must not move. */
  locksMemory?: boolean
}

/**
 * A pod as the Pod Security Standard `restricted` wants it
 * (https://kubernetes.io/docs/concepts/security/pod-security-standards, read in November 2026), once a site names a user.
 * The volumes of the pod are that user's as well.
 */
export const podSecurity = ({ user }: Asked) =>
  user === undefined
    ? {}
    : {
        securityContext: {
          runAsNonRoot: true,
          runAsUser: user,
          runAsGroup: user,
          fsGroup: user,
          fsGroupChangePolicy: 'OnRootMismatch',
          seccompProfile: { type: 'RuntimeDefault' },
        },
      }

/** The same for one of its containers. To lock memory is more than `restricted` allows, and stands beside it. */
export function containerSecurity({ user, locksMemory = false }: Asked) {
  if (user === undefined && !locksMemory) return {}
  const capabilities = { ...(user !== undefined && { drop: ['ALL'] }), ...(locksMemory && { add: ['IPC_LOCK'] }) }
  return { securityContext: { ...(user !== undefined && { allowPrivilegeEscalation: false }), capabilities } }
}
