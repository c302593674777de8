// Passkeys. A form with data-passkey has its options at data-options; the answer of the device goes into its field Credential, and the form is sent as any other.
(() => {
  const able = window.PublicKeyCredential?.parseRequestOptionsFromJSON && window.PublicKeyCredential.parseCreationOptionsFromJSON;
  if (!able) return;
  let waiting; // what the browser offers by itself in the e-mail field, until a button is pressed

  const options = async (form) => {
    const answer = await fetch(form.dataset.options, { headers: { Accept: 'application/json' }, credentials: 'same-origin' });
    if (!answer.ok) throw new Error(`the portal answered ${answer.status}`);
    return answer.json();
  };
  const send = (form, credential) => {
    form.elements.Credential.value = JSON.stringify(credential.toJSON());
    form.requestSubmit();
  };
  const say = (form, error) => {
    const line = form.querySelector('[role="alert"]');
    line.textContent = error.name === 'NotAllowedError' ? 'That was cancelled, or took too long. Try again.'
      : error.name === 'InvalidStateError' ? 'This device has a passkey for your account already.'
        : `That did not work: ${error.message}`;
    line.hidden = false;
  };

  document.querySelectorAll('form[data-passkey]').forEach((form) => {
    form.hidden = false;
    form.addEventListener('submit', async (e) => {
      if (form.elements.Credential.value) return; // answered: it goes to the portal
      e.preventDefault();
      waiting?.abort();
      try {
        const asked = await options(form);
        send(form, form.dataset.passkey === 'create'
          ? await navigator.credentials.create({ publicKey: PublicKeyCredential.parseCreationOptionsFromJSON(asked) })
          : await navigator.credentials.get({ publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(asked) }));
      } catch (error) {
        say(form, error);
      }
    });
  });

  const door = document.querySelector('form[data-conditional]');
  if (door && PublicKeyCredential.isConditionalMediationAvailable) {
    (async () => {
      if (!await PublicKeyCredential.isConditionalMediationAvailable()) return;
      waiting = new AbortController();
      try {
        send(door, await navigator.credentials.get({ publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(await options(door)), mediation: 'conditional', signal: waiting.signal }));
      } catch { /* it was an offer: pressing the button, or typing a password, declines it */ }
    })();
  }
})();
