import type { FastifyRequest } from 'fastify'
import ipaddr from 'ipaddr.js'

/**
 * The source of a request: the IPv4 address, or the /64 network of an IPv6 address, since one customer holds at least
 * that (RFC 6177).
 */
export const sourceOf = ({ ip }: Pick<FastifyRequest, 'ip'>): string => network(ip, { ipv4: 32, ipv6: 64 })

/** The same for logs, coarser (/24, /48): tells attacks apart, not people. */
export const maskedSourceOf = ({ ip }: Pick<FastifyRequest, 'ip'>): string => network(ip, { ipv4: 24, ipv6: 48 })

function network(ip: string, prefixes: { ipv4: number; ipv6: number }): string {
  if (!ipaddr.isValid(ip)) return 'unknown' // from a trusted proxy
  const address = ipaddr.process(ip)
  const prefix = prefixes[address.kind()]
  if (prefix === 32) return address.toString()
  const masked = `${address.toString()}/${prefix}`
  const base =
    address.kind() === 'ipv4' ? ipaddr.IPv4.networkAddressFromCIDR(masked) : ipaddr.IPv6.networkAddressFromCIDR(masked)
  return `${base}/${prefix}`
}
