const inherited =
  /^(PATH|HOME|USER|LOGNAME|SHELL|LANG|LC_[A-Z]+|TZ|TMPDIR|LD_LIBRARY_PATH|XDG_CACHE_HOME|CUDA_HOME|CUDA_PATH|SSL_CERT_(FILE|DIR)|(HTTPS?|NO)_PROXY|https?_proxy|no_proxy)$/

/**
 * What of our own environment a program of somebody else may see: where programs, home, certificates and proxies are.
 * A list of what may pass, not of what may not, so that a secret with a new name stays inside.
 */
export const publicEnvironment = (environment: NodeJS.ProcessEnv): Record<string, string> =>
  Object.fromEntries(
    Object.entries(environment).filter(
      (pair): pair is [string, string] => pair[1] !== undefined && inherited.test(pair[0]),
    ),
  )
