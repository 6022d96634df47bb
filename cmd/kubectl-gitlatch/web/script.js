// Counts the time down that open windows have left. Everything else works without it.
'use strict';
const left = (until) => {
  const seconds = Math.max(0, Math.round((until - Date.now()) / 1000));
  if (seconds === 0) return 'ended';
  const minutes = Math.floor(seconds / 60);
  return minutes > 59 ? `${Math.floor(minutes / 60)}h${minutes % 60}m` : minutes > 0 ? `${minutes}m${seconds % 60}s` : `${seconds}s`;
};
const tick = () => {
  for (const time of document.querySelectorAll('time.left')) time.textContent = left(Date.parse(time.dateTime));
};
tick();
setInterval(tick, 1000);
// A verdict is sent once, however often the button is pressed.
for (const form of document.querySelectorAll('form.verdict')) {
  form.addEventListener('submit', (event) => {
    if (form.dataset.sent) event.preventDefault();
    form.dataset.sent = 'yes';
  });
}
