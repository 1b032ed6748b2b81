"""Words that several questions about a note share: days and months, first names, words that are no name of a rival.

All are kept folded (`fold`: lower case, without accents), because sellers write "fevrier" and "FÉVRIER" alike.
"""

from __future__ import annotations

import re
import unicodedata

PERSON, EMAIL, PHONE, LINK, IBAN, CARD = "[person]", "[email]", "[phone]", "[link]", "[iban]", "[card]"
MASKS = (PERSON, EMAIL, PHONE, LINK, IBAN, CARD)

# A capital letter of a European alphabet, for `re`, which has no \p{Lu}.
CAPITAL = "[A-ZÀ-ÖØ-ÞĀĂĄĆČĎĐĒĖĘĚĞĢĪĮİĶĹĻĽŁŃŅŇŌŐŒŔŘŚŞŠŤŪŮŰŲŹŻŽ]"

_WORD = re.compile(r"[^\W_]+(?:['\u2019][^\W_]+)*")

_ACCENTS = re.compile("[\u0300-\u036f]+")


def fold(text: str) -> str:
    """Lower case without accents: "Février" and "FEVRIER" are one word. The length may change."""
    if text.isascii():
        return text.lower()
    return _ACCENTS.sub("", unicodedata.normalize("NFKD", text.casefold()))


def words_of(text: str) -> list[str]:
    """The words of a text as they stand, digits included, without punctuation."""
    return _WORD.findall(text)


def word_set(text: str) -> frozenset[str]:
    """The folded words of a list that is written out."""
    return frozenset(fold(text).split())


WEEKDAYS = word_set("""
monday tuesday wednesday thursday friday saturday sunday mon tue tues wed thu thur thurs fri sat sun
montag dienstag mittwoch donnerstag freitag samstag sonnabend sonntag
lundi mardi mercredi jeudi vendredi samedi dimanche
lunes martes miércoles jueves viernes sábado domingo
lunedì martedì mercoledì giovedì venerdì sabato domenica
""")

MONTHS = word_set("""
january february march april may june july august september october november december
jan feb mar apr jun jul aug sep sept oct nov dec
januar jänner februar märz mai juni juli oktober dezember mrz okt dez
janvier février mars avril juin juillet août septembre octobre novembre décembre janv févr avr juil déc
enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre ene abr ago dic
gennaio febbraio aprile maggio giugno luglio settembre ottobre dicembre gen mag giu lug ago set ott
""")

# Frequent first names that are not also a frequent word of a note (so no Will, Mark, Bill, Grant, Rich, Pat, Drew).
FIRST_NAMES = word_set("""
aaron adam alan alex alexander alice amanda amy andrea andrew angela ann anna anne anthony barbara ben benjamin beth
brian carl carol caroline catherine charles charlotte chloe chris christian christina christine christopher claire
claudia dan daniel dave david deborah dennis diana don donald dorothy edward elena elisabeth elizabeth emily emma eric
erik eva frank gary george greg hannah harry heather helen henry ian ivan jack jacob james jane janet jason jeff
jennifer jenny jeremy jessica jim joan joe john jonathan jose joseph joshua julia julie justin karen kate katherine
keith kelly ken kenneth kevin kim larry laura lauren linda lisa liz louise lucy luke margaret maria marie martha martin
mary matt matthew megan melissa michael michelle mike nancy natalie nathan nicholas nicole nick oliver olivia patricia
patrick paul peter phil philip rachel rebecca richard robert roger ron ronald ruth ryan samantha samuel sandra sara
sarah scott sean sharon simon sophia sophie stephanie stephen steve steven susan terry thomas tim timothy todd tom tony
victoria vincent wendy zoe
anke bernd birgit christoph dieter dirk florian franz friedrich gabriele gerd gerhard gisela günter günther hans heike
heinz helga helmut holger horst ingrid jan jens joachim johannes jörg jürgen jutta karin karl katja katrin klaus kurt
lars lukas manfred marco markus matthias michaela moritz nadine olaf petra rainer ralf renate rolf rudolf sabine
sebastian silke stefan stefanie susanne sven tanja thorsten tobias torsten ulrich ursula ute uwe volker walter werner
wolfgang
adrien alain amélie antoine arnaud aurélie bastien benoît bernard bertrand brigitte camille cédric céline chantal
clément corinne delphine denis didier élise élodie émilie étienne fabien fabrice florence franck françois françoise
frédéric gérard gilles guillaume hélène henri hervé isabelle jacqueline jacques jean jérôme joël julien laurent
laurence luc ludovic marc marion mathieu maxime mickaël monique nathalie nicolas olivier pascal patrice philippe pierre
quentin raphaël régis rémi romain sébastien serge solène stéphane stéphanie sylvain sylvie thibault thierry valérie
véronique virginie xavier yann yannick yves
adriana agustín alberto alejandra alejandro alfonso alfredo alicia álvaro ana andrés ángel antonia antonio arturo
beatriz begoña carla carlos carmen carolina cecilia cristina diego dolores eduardo enrique esteban esther eugenia
felipe fernando francisco gabriela gonzalo guillermo gustavo héctor ignacio inés irene iván javier jesús joaquín jorge
josé juan julián julio lorena lucía luis manuel marcos margarita maría mariano marta mercedes miguel mónica montserrat
natalia nuria óscar pablo paloma patricio paula pedro pilar rafael ramón raquel raúl ricardo roberto rocío rodrigo
rosa rubén salvador santiago sergio silvia sonia susana teresa tomás vicente yolanda
alessandra alessandro alessia angelo anita arianna bruno chiara cinzia claudio daniela daniele dario davide domenico
elisa emanuele enrico ettore fabio fabrizio federica federico filippo francesca francesco franco gianluca gianni giada
giacomo giorgia giorgio giovanna giovanni giulia giuliano giulio giuseppe ilaria jacopo leonardo letizia lorenzo luca
luciano lucrezia luigi manuela marcello marina mario massimo matteo maurizio mauro michele mirko monica nicola paola
paolo pietro pino renato riccardo roberta rocco rosaria sabrina salvatore sara serena silvio simona simone stefania
stefano tiziana tommaso umberto valentina valerio vincenzo vittorio
""")

# Names of people that are words of a sales note too: never masked by a part of a known name alone.
NAMES_THAT_ARE_WORDS = word_set("""
price prices budget may will mark bill rich grant chase case cash cost sales long short young king major day summer
winter mark frank drew pat art bond best bright brown bush cook cross dean deal early fair field fields fine fox free
gold good grand green grey hand hard head hill holder home hope house hunt iron joy just key lack land lane law lead
lee little light lost love low march master miller moon more new noble no north page park piper poor power quick ray
read reed rock rose salt sharp shop silver small south stock stone strange street strong swift trade true wall ward
ways weak west white wild wise wood work worth chance christian clay craft dale dollar dawn faith sky store joy
groß klein kurz lang lange jung neu kaufmann richter kaiser könig vogt schwarz weiß braun preis sommer winter ernst
bach berg stein wolf fuchs koch kosten markt zeit grand petit blanc noir roux bon marchand prix leroy rey blanco rubio
bueno caro cara cruz precio rico delgado moreno costa bianchi bianco nero rosso costo prezzo
""")

# Words that stand where a rival's name could stand, and are none.
NO_RIVAL = (
    word_set("""
a an the it its this that these those he him her his she they them their us we our ours i me my you your one ones two
another other others someone somebody anyone everyone else something nothing anything everything none no not both
either same different cheaper better best bigger larger local lower higher less more existing current present new old
previous former known unknown internal inhouse in house home own homegrown themselves itself custom build competitor
competitors competition rival rivals incumbent vendor vendors supplier suppliers provider providers partner partners
company companies firm firms agency product products solution solutions system systems software tool tools platform
option options offer offers bid bidder quote proposal price prices pricing budget cost costs money time timing delay
delays silence status quo plan plans decision project spreadsheet spreadsheets excel word paper manual process erp crm
saas cloud hq it cto ceo cfo coo cio vp gm legal procurement finance purchasing ops marketing sales team management
board committee group parent holding customer client prospect boss owner end gut lack covid today tomorrow yesterday
next last week month year quarter first second third part full early late final fy q1 q2 q3 q4 h1 h2 rfp poc roi sla
ne ein eine einen einem einer der die das den dem des er sie es wir uns ihr ihnen ihm sich anderen andere anderer
anderes andern keinen keine nichts niemand mitbewerber mitbewerb wettbewerber wettbewerb konkurrenz konkurrent
anbieter lieferant bestandslieferant bestand hersteller dienstleister partner lösung eigenlösung eigenentwicklung
alternative alternativlösung system software produkt angebot preis kosten günstigere günstigeren günstigsten billigeren
budget projekt excel kunde kundin geschäftsführung einkauf zentrale konzern mutter gf it inhouse intern interne
status weiter später jetzt heute morgen
un une des le la les l de du d au aux il elle ils elles on nous vous lui leur son sa ses ce cet cette ceux autre autres
aucun aucune rien personne concurrent concurrents concurrence fournisseur fournisseurs prestataire prestataires éditeur
solution solutions outil outils logiciel système offre prix tarif budget coût projet interne local locale moins plus
direction siège maison groupe client statu quo excel actuel actuelle historique
el los las una uno unos unas otro otra otros otras alguien nadie nada ninguno ninguna su sus nosotros ellos ellas
competidor competidores competencia proveedor proveedores empresa solución herramienta sistema software oferta precio
presupuesto coste proyecto interno interna local central matriz casa grupo cliente actual siempre más menos
lo gli i uno altro altra altri altre qualcuno nessuno niente nulla noi loro lui lei concorrente concorrenti concorrenza
fornitore fornitori soluzione strumento sistema offerta prezzo costo progetto interno interna locale casa gruppo
capogruppo cliente attuale solito più meno
""")
    | WEEKDAYS
    | MONTHS
)

# Legal forms: part of a firm's name, never by themselves one, and no part of what tells two firms apart.
LEGAL_FORMS = word_set("inc ltd llc llp plc corp co gmbh ag kg se ohg ug sa sas sarl sl slu srl spa bv nv ab as oy aps")
