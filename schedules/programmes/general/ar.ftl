# What Carebell says in Arabic; the rules and variables are those of en.ftl.
#
# Every text begins with an Arabic word: the first strong letter sets the direction of the line on a phone, and
# $sender may be Latin. Dates have month names, since "2026-03-04" would be shown with its parts reversed.
# Phrases with "يرجى" suit women and men alike.

date = { $weekday ->
    [1] الاثنين
    [2] الثلاثاء
    [3] الأربعاء
    [4] الخميس
    [5] الجمعة
    [6] السبت
   *[7] الأحد
 } { $day } { $month ->
    [1] يناير
    [2] فبراير
    [3] مارس
    [4] أبريل
    [5] مايو
    [6] يونيو
    [7] يوليو
    [8] أغسطس
    [9] سبتمبر
    [10] أكتوبر
    [11] نوفمبر
   *[12] ديسمبر
 }

dose = تذكير من { $sender }: { $count ->
    [one] موعد جرعتك
    [two] موعد جرعتين لك
    [few] موعد { $count } جرعات لك
    [many] موعد { $count } جرعة لك
   *[other] موعد جرعاتك
 } هو الساعة { $time }. يرجى اتباع خطتك. هل لديك سؤال؟ يرجى سؤال فريق الرعاية.
dose-overt =
    تذكير من { $sender } للساعة { $time }. تقول خطتك:
    { $items }

measurement = تذكير من { $sender } للساعة { $time }. يرجى إجراء القياس الوارد في خطتك وكتابة النتيجة.
measurement-overt =
    تذكير من { $sender } للساعة { $time }. يرجى إجراء هذا القياس وكتابة النتيجة:
    { $items }

refill = تذكير من { $sender }، الساعة { $time }: يرجى إحضار ما يلزم لمتابعة خطتك في الوقت المناسب.
refill-overt =
    تذكير من { $sender }، الساعة { $time }: يرجى أن تحضر في الوقت المناسب:
    { $items }

check-in = رسالة من { $sender }، الساعة { $time }: كيف حالك؟ يرجى إخبار فريق الرعاية. في حالة الطوارئ يرجى الاتصال برقم الطوارئ المحلي.
check-in-overt =
    رسالة من { $sender }، الساعة { $time }: كيف حالك؟ يرجى إخبار فريق الرعاية. في حالة الطوارئ يرجى الاتصال برقم الطوارئ المحلي.
    { $items }

appointment = تذكير من { $sender }: لديك موعد يوم { $date } الساعة { $time }. إذا تعذر الحضور فيرجى إبلاغنا.
appointment-overt =
    تذكير من { $sender }: لديك موعد يوم { $date } الساعة { $time }:
    { $items }
    إذا تعذر الحضور فيرجى إبلاغنا.

appointment-after = من { $sender }: كان لديك موعد يوم { $date } الساعة { $time }. إذا لم تتمكن من الحضور أو كان لديك سؤال فيرجى إبلاغنا.
appointment-after-overt =
    من { $sender }: كان لديك موعد يوم { $date } الساعة { $time }:
    { $items }
    إذا لم تتمكن من الحضور أو كان لديك سؤال فيرجى إبلاغنا.

education = رسالة من { $sender }، الساعة { $time }: لدى فريق الرعاية شيء لك للقراءة أو المشاهدة. إذا لم يصلك فيرجى سؤالهم.
education-overt =
    رسالة من { $sender }، الساعة { $time }: لدى فريق الرعاية شيء لك للقراءة أو المشاهدة:
    { $items }

lifestyle = تذكير من { $sender }، الساعة { $time }: يرجى تذكر العادة الواردة في خطتك.
lifestyle-overt =
    تذكير من { $sender }، الساعة { $time }: من خطتك:
    { $items }

notice = رسالة من { $sender }، الساعة { $time }: لدى فريق الرعاية رسالة لك. يرجى التواصل معهم.
notice-overt =
    رسالة من { $sender }، الساعة { $time }: رسالة من فريق الرعاية:
    { $items }

several = تذكير من { $sender } للساعة { $time }: في خطتك { $count ->
    [one] أمر واحد مطلوب
    [two] أمران مطلوبان
    [few] { $count } أمور مطلوبة
    [many] { $count } أمرًا مطلوبًا
   *[other] { $count } أمر مطلوب
 }.
several-overt =
    تذكير من { $sender } للساعة { $time }. تقول خطتك:
    { $items }

repeat-mark = قد تكون هذه الرسالة مكررة: إذا وصلتك من قبل فيرجى تجاهلها.

stop-confirmation = رسالة من { $sender }: لن تصلك رسائل منا بعد الآن. تغيرت الرسائل فقط ولم تتغير رعايتك. لتصلك من جديد يرجى الرد بكلمة: ابدأ. هذا الرقم ليس للطوارئ: يرجى الاتصال برقم الطوارئ المحلي.
start-confirmation = رسالة من { $sender }: ستصلك رسائلنا من جديد. لإيقافها يرجى الرد بكلمة: توقف. هذا الرقم ليس للطوارئ: يرجى الاتصال برقم الطوارئ المحلي.
help = رسالة من { $sender }: نرسل تذكيرات بخطتك. للتحدث مع شخص يرجى الاتصال بفريق الرعاية. لإيقاف الرسائل يرجى الرد بكلمة: توقف. هذا الرقم ليس للطوارئ: يرجى الاتصال برقم الطوارئ المحلي.

subject = تذكير من { $sender }
material = للقراءة أو المشاهدة
appointment-title = موعد: { $sender }
unsubscribe = إيقاف هذه الرسائل
unsubscribe-ask = رسالة من { $sender }: هل تريد إيقاف جميع رسائلنا؟ تتغير الرسائل فقط ولا تتغير رعايتك.
unsubscribe-done = رسالة من { $sender }: لن تصلك رسائل منا بعد الآن. تغيرت الرسائل فقط ولم تتغير رعايتك. لتصلك من جديد يرجى إخبار فريق الرعاية.
