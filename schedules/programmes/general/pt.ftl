# What Carebell says in Portuguese; the rules and variables are those of en.ftl.
#
# Worded so that it reads well in Portugal, Brazil and Africa: "clínica" instead of "equipa" or "equipe",
# "dose" instead of "toma". A programme for one country may replace it with a pt-BR.ftl or pt-PT.ftl.

date = { $weekday ->
    [1] segunda-feira
    [2] terça-feira
    [3] quarta-feira
    [4] quinta-feira
    [5] sexta-feira
    [6] sábado
   *[7] domingo
 }, { $day } de { $month ->
    [1] janeiro
    [2] fevereiro
    [3] março
    [4] abril
    [5] maio
    [6] junho
    [7] julho
    [8] agosto
    [9] setembro
    [10] outubro
    [11] novembro
   *[12] dezembro
 }

dose = { $sender }: lembrete { $count ->
    [one] da sua dose
   *[other] das suas { $count } doses
 } das { $time }. Siga o seu plano. Dúvidas? Pergunte à sua clínica.
dose-overt =
    { $sender }: lembrete das { $time }. O seu plano diz:
    { $items }

measurement = { $sender }: lembrete das { $time }. Faça a medição do seu plano e anote o resultado.
measurement-overt =
    { $sender }: lembrete das { $time }. Faça esta medição e anote o resultado:
    { $items }

refill = { $sender }, { $time }: vá buscar a tempo o que precisa para seguir o seu plano.
refill-overt =
    { $sender }, { $time }: vá buscar a tempo:
    { $items }

check-in = { $sender }, { $time }: como está? Conte à sua clínica. Numa emergência, ligue para o número de emergência local.
check-in-overt =
    { $sender }, { $time }: como está? Conte à sua clínica. Numa emergência, ligue para o número de emergência local.
    { $items }

appointment = { $sender }: tem uma consulta: { $date }, às { $time }. Se não puder vir, avise a clínica.
appointment-overt =
    { $sender }: tem uma consulta: { $date }, às { $time }:
    { $items }
    Se não puder vir, avise a clínica.

appointment-after = { $sender }: tinha uma consulta: { $date }, às { $time }. Se não pôde vir ou tem uma pergunta, avise a clínica.
appointment-after-overt =
    { $sender }: tinha uma consulta: { $date }, às { $time }:
    { $items }
    Se não pôde vir ou tem uma pergunta, avise a clínica.

appointment-called-off = { $sender }: a sua consulta já não se mantém: { $date }, às { $time }. Foi retirada do seu calendário. Se não esperava por isto, pergunte à clínica.

education = { $sender }, { $time }: a sua clínica tem algo para ler ou ver. Pergunte se não encontrar.
education-overt =
    { $sender }, { $time }: a sua clínica tem algo para ler ou ver:
    { $items }

lifestyle = { $sender }, { $time }: lembre-se do hábito do seu plano.
lifestyle-overt =
    { $sender }, { $time }: um lembrete do seu plano:
    { $items }

notice = { $sender }, { $time }: tem uma mensagem da sua clínica. Por favor, fale com a clínica.
notice-overt =
    { $sender }, { $time }: uma mensagem da sua clínica:
    { $items }

several = { $sender }: lembrete das { $time }. Tem { $count } coisas a fazer no seu plano.
several-overt =
    { $sender }: lembrete das { $time }. O seu plano diz:
    { $items }

repeat-mark = Esta mensagem pode ser repetida: se já a recebeu, ignore-a.

stop-confirmation = { $sender }: não vai receber mais mensagens nossas. Só mudam as mensagens, não os seus cuidados. Para voltar a receber, responda VOLTAR. Este número não atende emergências: ligue para o número de emergência local.
start-confirmation = { $sender }: vai voltar a receber as nossas mensagens. Para não receber mais, responda PARAR. Este número não atende emergências: ligue para o número de emergência local.
help = { $sender } envia lembretes do seu plano. Para falar com uma pessoa, ligue para a sua clínica. Para não receber mais mensagens, responda PARAR. Este número não atende emergências: ligue para o número de emergência local.

subject = Um lembrete de { $sender }
material = Para ler ou ver
appointment-title = Consulta: { $sender }
unsubscribe = Parar de receber estas mensagens
unsubscribe-ask = { $sender }: quer parar de receber os nossos e-mails? Só mudam os e-mails, não os seus cuidados nem as mensagens para o seu telefone.
unsubscribe-done = { $sender }: não vai receber mais e-mails nossos. Só mudam os e-mails, não os seus cuidados. Se também escrevemos para o seu telefone, responda PARAR lá para não receber mais nada. Para voltar a receber e-mails, fale com a sua clínica.
