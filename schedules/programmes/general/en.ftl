# What Carebell says in English. A programme's own en.ftl replaces single messages; the rest stays as here.
#
# Keep to grade 6 words and explicit clock times. Texts without "-overt" are discreet: no drug, no disease, no
# kind of clinic. No text says "now": it may arrive late, so it names the time it is for. No text gives advice
# about a missed dose.
#
# Variables: $sender, $time (HH:MM by the patient's clock), $date (the message `date`, appointments only),
# $count (activities), $items (overt texts only: a list of what is due, as the clinician wrote it).

date = { $weekday ->
    [1] Monday
    [2] Tuesday
    [3] Wednesday
    [4] Thursday
    [5] Friday
    [6] Saturday
   *[7] Sunday
 } { $day } { $month ->
    [1] January
    [2] February
    [3] March
    [4] April
    [5] May
    [6] June
    [7] July
    [8] August
    [9] September
    [10] October
    [11] November
   *[12] December
 }

dose = { $sender }: reminder of { $count ->
    [one] your { $time } dose
   *[other] your { $count } doses for { $time }
 }. Please follow your plan. Questions? Ask your care team.
dose-overt =
    { $sender }: reminder for { $time }. Your plan says:
    { $items }

measurement = { $sender }: reminder for { $time }. Please take the reading on your plan and write it down.
measurement-overt =
    { $sender }: reminder for { $time }. Please take this reading and write it down:
    { $items }

refill = { $sender }, { $time }: please fetch your next supply in good time, as on your plan.
refill-overt =
    { $sender }, { $time }: please fetch in good time:
    { $items }

check-in = { $sender }, { $time }: how are you? Please tell your care team. In an emergency, call your local emergency number.
check-in-overt =
    { $sender }, { $time }: how are you? Please tell your care team. In an emergency, call your local emergency number.
    { $items }

appointment = { $sender }: you have an appointment on { $date } at { $time }. If you cannot come, please tell us.
appointment-overt =
    { $sender }: you have an appointment on { $date } at { $time }:
    { $items }
    If you cannot come, please tell us.

appointment-after = { $sender }: you had an appointment on { $date } at { $time }. If you could not come, or have a question, please tell us.
appointment-after-overt =
    { $sender }: you had an appointment on { $date } at { $time }:
    { $items }
    If you could not come, or have a question, please tell us.

appointment-called-off = { $sender }: your appointment on { $date } at { $time } no longer stands and is taken out of your calendar. If you did not expect this, please ask us.

education = { $sender }, { $time }: your care team has something for you to read or watch. Please ask them if you cannot find it.
education-overt =
    { $sender }, { $time }: your care team has something for you to read or watch:
    { $items }

lifestyle = { $sender }, { $time }: a reminder of the habit on your plan.
lifestyle-overt =
    { $sender }, { $time }: a reminder from your plan:
    { $items }

notice = { $sender }, { $time }: your care team has a message for you. Please get in touch with them.
notice-overt =
    { $sender }, { $time }: a message from your care team:
    { $items }

several = { $sender }: reminder for { $time }. You have { $count } things to do on your plan.
several-overt =
    { $sender }: reminder for { $time }. Your plan says:
    { $items }

repeat-mark = This may be a repeat: ignore it if you had it already.

stop-confirmation = { $sender }: you will get no more messages from us. This changes the messages only, not your care. To get them again, reply START. This number is not for emergencies: call your local emergency number.
start-confirmation = { $sender }: you will get our messages again. To stop them, reply STOP. This number is not for emergencies: call your local emergency number.
help = { $sender } sends reminders from your plan. To talk to a person, call your care team. To stop these messages, reply STOP. This number is not for emergencies: call your local emergency number.

subject = A reminder from { $sender }
material = To read or watch
appointment-title = Appointment: { $sender }
unsubscribe = Stop these messages
unsubscribe-ask = { $sender }: do you want to stop our mails? This changes the mails only, not your care and not our messages to your phone.
unsubscribe-done = { $sender }: you will get no more mails from us. This changes the mails only, not your care. If we write to your phone as well, reply STOP there to stop everything. To get mails again, please tell your care team.
