// Whether the library of Standard Webhooks takes a message: headers, body and secrets come as JSON on the standard input; prints for each secret true or why not.
import { Webhook } from 'standardwebhooks';

const { headers, body, secrets } = JSON.parse(await new Response(process.stdin).text());
process.stdout.write(JSON.stringify(secrets.map((secret) => {
  try {
    new Webhook(secret).verify(body, headers);
    return 'true';
  } catch (e) {
    return e.message;
  }
})));
