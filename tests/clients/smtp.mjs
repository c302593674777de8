// A mail server of npm's smtp-server that does as it is told: the behaviours come as JSON in the first argument, one for each connection, the last for all further ones.
//   greylist    451 to RCPT          refuse    550 to RCPT
//   drop        the mail is taken, and the connection broken off before the answer to DATA
//   plain       no STARTTLS          take      as it should be
// Prints its port, then each mail that it took as a line of JSON.
import { SMTPServer } from 'smtp-server';

const behaviours = JSON.parse(process.argv[2]);
let connections = 0;
const servers = [];
const say = (line) => process.stdout.write(JSON.stringify(line) + '\n');
const make = (plain) => new SMTPServer({
  authOptional: true,
  disabledCommands: plain ? ['STARTTLS', 'AUTH'] : ['AUTH'],
  onConnect(session, done) {
    session.behaviour = behaviours[Math.min(connections++, behaviours.length - 1)];
    done();
  },
  onRcptTo(address, session, done) {
    const refuse = { greylist: [451, '4.7.1 Greylisted, try again'], refuse: [550, '5.1.1 No such user'] }[session.behaviour];
    done(refuse ? Object.assign(new Error(refuse[1]), { responseCode: refuse[0] }) : undefined);
  },
  onData(stream, session, done) {
    const parts = [];
    stream.on('data', (part) => parts.push(part));
    stream.on('end', () => {
      say({ to: session.envelope.rcptTo.map((r) => r.address), secure: session.secure, text: Buffer.concat(parts).toString() });
      if (session.behaviour === 'drop') for (const s of servers) for (const c of s.connections) c._socket.destroy();
      else done();
    });
  },
});
const server = make(behaviours[0] === 'plain');
server.on('error', () => {});
servers.push(server);
server.listen(0, '127.0.0.1', () => say({ port: server.server.address().port }));
process.stdin.resume();
process.stdin.on('end', () => process.exit(0));
