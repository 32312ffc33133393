# What Carebell says in French; the rules and variables are those of en.ftl.

date = { $weekday ->
    [1] lundi
    [2] mardi
    [3] mercredi
    [4] jeudi
    [5] vendredi
    [6] samedi
   *[7] dimanche
 } { $day } { $month ->
    [1] janvier
    [2] février
    [3] mars
    [4] avril
    [5] mai
    [6] juin
    [7] juillet
    [8] août
    [9] septembre
    [10] octobre
    [11] novembre
   *[12] décembre
 }

dose = { $sender } : rappel de { $count ->
    [one] votre prise
   *[other] vos { $count } prises
 } de { $time }. Suivez votre plan. Une question ? Demandez à votre équipe de soins.
dose-overt =
    { $sender } : rappel pour { $time }. Votre plan indique :
    { $items }

measurement = { $sender } : rappel pour { $time }. Faites la mesure prévue dans votre plan et notez le résultat.
measurement-overt =
    { $sender } : rappel pour { $time }. Faites cette mesure et notez le résultat :
    { $items }

refill = { $sender }, { $time } : allez chercher à temps ce qu'il vous faut pour suivre votre plan.
refill-overt =
    { $sender }, { $time } : allez chercher à temps :
    { $items }

check-in = { $sender }, { $time } : comment allez-vous ? Dites-le à votre équipe de soins. En cas d'urgence, appelez le numéro d'urgence local.
check-in-overt =
    { $sender }, { $time } : comment allez-vous ? Dites-le à votre équipe de soins. En cas d'urgence, appelez le numéro d'urgence local.
    { $items }

appointment = { $sender } : vous avez rendez-vous le { $date } à { $time }. Si vous ne pouvez pas venir, prévenez-nous.
appointment-overt =
    { $sender } : vous avez rendez-vous le { $date } à { $time } :
    { $items }
    Si vous ne pouvez pas venir, prévenez-nous.

appointment-after = { $sender } : vous aviez rendez-vous le { $date } à { $time }. Si vous n'avez pas pu venir ou si vous avez une question, dites-le-nous.
appointment-after-overt =
    { $sender } : vous aviez rendez-vous le { $date } à { $time } :
    { $items }
    Si vous n'avez pas pu venir ou si vous avez une question, dites-le-nous.

appointment-called-off = { $sender } : votre rendez-vous du { $date } à { $time } n'a plus lieu et est retiré de votre agenda. Si vous ne vous y attendiez pas, demandez-nous.

education = { $sender }, { $time } : votre équipe de soins a quelque chose à vous faire lire ou regarder. Demandez-lui si vous ne le trouvez pas.
education-overt =
    { $sender }, { $time } : votre équipe de soins a quelque chose à vous faire lire ou regarder :
    { $items }

lifestyle = { $sender }, { $time } : pensez à l'habitude prévue dans votre plan.
lifestyle-overt =
    { $sender }, { $time } : un rappel de votre plan :
    { $items }

notice = { $sender }, { $time } : votre équipe de soins a un message pour vous. Merci de la contacter.
notice-overt =
    { $sender }, { $time } : un message de votre équipe de soins :
    { $items }

several = { $sender } : rappel pour { $time }. Vous avez { $count } choses à faire selon votre plan.
several-overt =
    { $sender } : rappel pour { $time }. Votre plan indique :
    { $items }

repeat-mark = Ce message est peut-être répété : si vous l'avez déjà reçu, n'en tenez pas compte.

stop-confirmation = { $sender } : vous ne recevrez plus nos messages. Seuls les messages changent, pas vos soins. Pour les recevoir à nouveau, répondez REPRENDRE. Ce numéro ne traite pas les urgences : appelez le numéro d'urgence local.
start-confirmation = { $sender } : vous recevrez à nouveau nos messages. Pour ne plus les recevoir, répondez STOP. Ce numéro ne traite pas les urgences : appelez le numéro d'urgence local.
help = { $sender } envoie des rappels de votre plan. Pour parler à une personne, appelez votre équipe de soins. Pour ne plus recevoir de messages, répondez STOP. Ce numéro ne traite pas les urgences : appelez le numéro d'urgence local.

subject = Un rappel de { $sender }
material = À lire ou à regarder
appointment-title = Rendez-vous : { $sender }
unsubscribe = Ne plus recevoir ces messages
unsubscribe-ask = { $sender } : voulez-vous ne plus recevoir nos e-mails ? Seuls les e-mails changent, pas vos soins ni nos messages sur votre téléphone.
unsubscribe-done = { $sender } : vous ne recevrez plus nos e-mails. Seuls les e-mails changent, pas vos soins. Si nous vous écrivons aussi sur votre téléphone, répondez-y STOP pour ne plus rien recevoir. Pour recevoir à nouveau nos e-mails, parlez-en à votre équipe de soins.
