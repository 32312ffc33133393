# What Carebell says in Spanish; the rules and variables are those of en.ftl.

date = { $weekday ->
    [1] lunes
    [2] martes
    [3] miércoles
    [4] jueves
    [5] viernes
    [6] sábado
   *[7] domingo
 } { $day } de { $month ->
    [1] enero
    [2] febrero
    [3] marzo
    [4] abril
    [5] mayo
    [6] junio
    [7] julio
    [8] agosto
    [9] septiembre
    [10] octubre
    [11] noviembre
   *[12] diciembre
 }

dose = { $sender }: recordatorio de { $count ->
    [one] su toma
   *[other] sus { $count } tomas
 } de las { $time }. Siga su plan. ¿Dudas? Pregunte a su equipo de salud.
dose-overt =
    { $sender }: recordatorio de las { $time }. Su plan indica:
    { $items }

measurement = { $sender }: recordatorio de las { $time }. Haga la medición de su plan y anote el resultado.
measurement-overt =
    { $sender }: recordatorio de las { $time }. Haga esta medición y anote el resultado:
    { $items }

refill = { $sender }, { $time }: recoja a tiempo lo que necesita para seguir su plan.
refill-overt =
    { $sender }, { $time }: recoja a tiempo:
    { $items }

check-in = { $sender }, { $time }: ¿cómo está? Cuéntele a su equipo de salud. En una emergencia, llame al número de emergencias de su zona.
check-in-overt =
    { $sender }, { $time }: ¿cómo está? Cuéntele a su equipo de salud. En una emergencia, llame al número de emergencias de su zona.
    { $items }

appointment = { $sender }: tiene una cita el { $date } a las { $time }. Si no puede venir, avísenos.
appointment-overt =
    { $sender }: tiene una cita el { $date } a las { $time }:
    { $items }
    Si no puede venir, avísenos.

appointment-after = { $sender }: tenía una cita el { $date } a las { $time }. Si no pudo venir o tiene una pregunta, avísenos.
appointment-after-overt =
    { $sender }: tenía una cita el { $date } a las { $time }:
    { $items }
    Si no pudo venir o tiene una pregunta, avísenos.

appointment-called-off = { $sender }: su cita del { $date } a las { $time } ya no está en pie y se quita de su calendario. Si no lo esperaba, pregúntenos.

education = { $sender }, { $time }: su equipo de salud tiene algo para que usted lea o vea. Pregunte si no lo encuentra.
education-overt =
    { $sender }, { $time }: su equipo de salud tiene algo para que usted lea o vea:
    { $items }

lifestyle = { $sender }, { $time }: recuerde el hábito de su plan.
lifestyle-overt =
    { $sender }, { $time }: un recordatorio de su plan:
    { $items }

notice = { $sender }, { $time }: su equipo de salud tiene un mensaje para usted. Por favor, comuníquese con su equipo.
notice-overt =
    { $sender }, { $time }: un mensaje de su equipo de salud:
    { $items }

several = { $sender }: recordatorio de las { $time }. Tiene { $count } cosas que hacer según su plan.
several-overt =
    { $sender }: recordatorio de las { $time }. Su plan indica:
    { $items }

repeat-mark = Este mensaje puede estar repetido: si ya lo recibió, no lo tenga en cuenta.

stop-confirmation = { $sender }: no recibirá más mensajes nuestros. Solo cambian los mensajes, no su atención. Para volver a recibirlos, responda INICIAR. Este número no atiende emergencias: llame al número de emergencias de su zona.
start-confirmation = { $sender }: volverá a recibir nuestros mensajes. Para dejar de recibirlos, responda PARAR. Este número no atiende emergencias: llame al número de emergencias de su zona.
help = { $sender } envía recordatorios de su plan. Para hablar con una persona, llame a su equipo de salud. Para dejar de recibir mensajes, responda PARAR. Este número no atiende emergencias: llame al número de emergencias de su zona.

subject = Un recordatorio de { $sender }
material = Para leer o ver
appointment-title = Cita: { $sender }
unsubscribe = Dejar de recibir estos mensajes
unsubscribe-ask = { $sender }: ¿quiere dejar de recibir nuestros correos? Solo cambian los correos, no su atención ni los mensajes a su teléfono.
unsubscribe-done = { $sender }: no recibirá más correos nuestros. Solo cambian los correos, no su atención. Si también le escribimos al teléfono, responda PARAR allí para no recibir nada más. Para volver a recibir correos, hable con su equipo de atención.
