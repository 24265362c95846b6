import pretty from 'pino-pretty'

/** A function that prints a log line: for a person when the stream is a terminal, as it is otherwise. */
export function logPrinter(stream: NodeJS.WriteStream): (line: string) => void {
  if (!stream.isTTY) return (line) => stream.write(`${line}\n`)
  const printer = pretty({
    colorize: true,
    singleLine: true,
    translateTime: 'SYS:HH:MM:ss.l',
    ignore: 'pid,hostname,service',
    messageFormat: (log, messageKey) => `${log.service}: ${log[messageKey]}`,
    destination: stream,
  })
  return (line) => printer.write(`${line}\n`)
}
