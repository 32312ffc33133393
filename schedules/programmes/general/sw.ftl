# What Carebell says in Swahili; the rules and variables are those of en.ftl.
#
# Spoken Swahili counts hours from sunrise: "saa 8" is 14:00. So every clock time is marked "saa ya simu"
# (the phone's clock), and "saa" never stands before it.

date = { $weekday ->
    [1] Jumatatu
    [2] Jumanne
    [3] Jumatano
    [4] Alhamisi
    [5] Ijumaa
    [6] Jumamosi
   *[7] Jumapili
 } tarehe { $day } { $month ->
    [1] Januari
    [2] Februari
    [3] Machi
    [4] Aprili
    [5] Mei
    [6] Juni
    [7] Julai
    [8] Agosti
    [9] Septemba
    [10] Oktoba
    [11] Novemba
   *[12] Desemba
 }

dose = { $sender }: kumbusho la { $count ->
    [one] dozi yako ya { $time }
   *[other] dozi zako { $count } za { $time }
 } (saa ya simu). Tafadhali fuata mpango wako. Una swali? Waulize wahudumu wako.
dose-overt =
    { $sender }: kumbusho la { $time } (saa ya simu). Mpango wako unasema:
    { $items }

measurement = { $sender }: kumbusho la { $time } (saa ya simu). Tafadhali fanya kipimo kilicho kwenye mpango wako na uandike matokeo.
measurement-overt =
    { $sender }: kumbusho la { $time } (saa ya simu). Tafadhali fanya kipimo hiki na uandike matokeo:
    { $items }

refill = { $sender }, { $time } (saa ya simu): tafadhali chukua mapema mahitaji yako yanayofuata, kulingana na mpango wako.
refill-overt =
    { $sender }, { $time } (saa ya simu): tafadhali chukua mapema:
    { $items }

check-in = { $sender }, { $time } (saa ya simu): unaendeleaje? Tafadhali waambie wahudumu wako. Ikiwa ni dharura, piga nambari ya dharura ya eneo lako.
check-in-overt =
    { $sender }, { $time } (saa ya simu): unaendeleaje? Tafadhali waambie wahudumu wako. Ikiwa ni dharura, piga nambari ya dharura ya eneo lako.
    { $items }

appointment = { $sender }: una miadi { $date }, { $time } (saa ya simu). Ikiwa huwezi kuja, tafadhali tujulishe.
appointment-overt =
    { $sender }: una miadi { $date }, { $time } (saa ya simu):
    { $items }
    Ikiwa huwezi kuja, tafadhali tujulishe.

appointment-after = { $sender }: ulikuwa na miadi { $date }, { $time } (saa ya simu). Ikiwa hukuweza kuja, au una swali, tafadhali tujulishe.
appointment-after-overt =
    { $sender }: ulikuwa na miadi { $date }, { $time } (saa ya simu):
    { $items }
    Ikiwa hukuweza kuja, au una swali, tafadhali tujulishe.

appointment-called-off = { $sender }: miadi yako ya { $date }, { $time } (saa ya simu) haipo tena na imeondolewa kwenye kalenda yako. Ikiwa hukutarajia hili, tafadhali tuulize.

education = { $sender }, { $time } (saa ya simu): wahudumu wako wana kitu cha kusoma au kutazama kwa ajili yako. Waulize usipokipata.
education-overt =
    { $sender }, { $time } (saa ya simu): wahudumu wako wana kitu cha kusoma au kutazama kwa ajili yako:
    { $items }

lifestyle = { $sender }, { $time } (saa ya simu): kumbuka tabia iliyo kwenye mpango wako.
lifestyle-overt =
    { $sender }, { $time } (saa ya simu): kumbusho kutoka mpango wako:
    { $items }

notice = { $sender }, { $time } (saa ya simu): wahudumu wako wana ujumbe kwako. Tafadhali wasiliana nao.
notice-overt =
    { $sender }, { $time } (saa ya simu): ujumbe kutoka kwa wahudumu wako:
    { $items }

several = { $sender }: kumbusho la { $time } (saa ya simu). Una mambo { $count } ya kufanya kwenye mpango wako.
several-overt =
    { $sender }: kumbusho la { $time } (saa ya simu). Mpango wako unasema:
    { $items }

repeat-mark = Ujumbe huu huenda umerudiwa: kama uliupata tayari, upuuze.

stop-confirmation = { $sender }: hutapokea tena ujumbe kutoka kwetu. Ni ujumbe tu unaobadilika, si huduma yako. Ili kuupokea tena, jibu ANZA. Nambari hii si ya dharura: piga nambari ya dharura ya eneo lako.
start-confirmation = { $sender }: utapokea tena ujumbe wetu. Ili usitumiwe tena, jibu ACHA. Nambari hii si ya dharura: piga nambari ya dharura ya eneo lako.
help = { $sender } hutuma vikumbusho vya mpango wako. Ili kuzungumza na mtu, wapigie wahudumu wako. Ili usitumiwe ujumbe tena, jibu ACHA. Nambari hii si ya dharura: piga nambari ya dharura ya eneo lako.

subject = Kumbusho kutoka { $sender }
material = Kusoma au kutazama
appointment-title = Miadi: { $sender }
unsubscribe = Acha kupokea ujumbe huu
unsubscribe-ask = { $sender }: je, unataka kuacha kupokea barua pepe zetu? Ni barua pepe tu zinazobadilika, si huduma yako wala ujumbe wetu kwenye simu yako.
unsubscribe-done = { $sender }: hutapokea tena barua pepe kutoka kwetu. Ni barua pepe tu zinazobadilika, si huduma yako. Ikiwa tunakuandikia kwenye simu pia, jibu ACHA huko ili kuacha kupokea ujumbe wote. Ili kupokea barua pepe tena, tafadhali waambie wahudumu wako.
