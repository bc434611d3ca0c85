"""Words that `linking` must know: what parts of a company's name say, and which tickers and names are also words."""

from __future__ import annotations


def _set(text: str) -> frozenset[str]:
    return frozenset(text.split())


def _phrases(text: str) -> frozenset[str]:
    return frozenset(" ".join(phrase.split()) for phrase in text.split(","))


AMERICAN_EXCHANGES = (
    *("NASDAQ", "NASDAQ GS", "NASDAQ GM", "NASDAQ CM", "NASDAQGS", "NASDAQGM", "NASDAQCM", "AMEX", "BATS", "CBOE"),
    *("NYSE", "NYSE American", "NYSE MKT", "NYSE Arca", "NYSEARCA", "NYSEAMERICAN"),
)
FOREIGN_EXCHANGES = _set(
    """
    TSX TSXV TSX-V CVE CSE NEO LON LSE AIM ASX NZX FRA ETR XETRA HKG HKEX SEHK SGX NSE BSE TYO TSE JPX EPA AMS EBR BIT
    BME SWX SIX STO CPH HEL OSE JSE KRX KOSDAQ SHA SHE SSE SZSE TPE TWSE TASE OTC OTCQB OTCQX OTCMKTS PINK
    """
)
"""Where a ticker is another company's, or one that is not traded here."""

UNNAMED_KINDS = _set(
    """
    etf etfs etn etns fund funds index ishares proshares spdr direxion leveraged warrant warrants right rights preferred
    preference debenture debentures notes senior convertible certificates
    """
)
"""What is no company's common share: nobody calls it by its issuer's name."""

SHARE_KINDS = (
    *("class", "common", "ordinary", "american depositary", "depositary", "capital stock", "share", "shares", "unit"),
    *("units", "series", "sponsored"),
)
"""With these words the company's own name has ended."""

LEGAL_FORMS = _set(
    """
    inc incorporated corp corporation co company companies cos ltd limited plc llc lp llp sa se nv ag ab asa spa kk oyj
    public group holding holdings hldgs trust com p l c s a n v the and of de cv
    """
)

SMALL_WORDS = _set("and of the de for in on co")
"""Words of a name that may stand without a capital."""

ANALYSTS = _set("analyst analysts")
RATES = _set("upgrades downgrades initiates reiterates reiterated resumes")
"""What a bank has and does whose opinion of another company is the news."""

BUSINESSES = _set(
    """
    acquisition aerospace agricultural air aircraft airlines airways apparel automotive banc bancshares bank bankshares
    beverage beverages bio biologics biopharma biopharmaceuticals biosciences biotech biotherapeutics brands
    brewing broadband cannabis capital chemical chemicals coatings communications computer computing construction
    consulting consumer containers credit cruises dental design devices diagnostics digital drinks education electric
    electronics energy engineering entertainment environmental estates exploration express farms finance
    financial foods gaming genetics genomics global gold graphics healthcare health homes hospitality hotels
    industrial industries infrastructure instruments insurance interactive international investment investments
    laboratories labs land leisure lines lithium logistics machines manufacturing marine materials media medical
    metals microsystems midstream minerals mining mobile motor motors networks oil optical outdoor packaging
    paper partners petroleum pharma pharmaceutical pharmaceuticals platforms power precision products properties
    realty reit residential resorts resources restaurants retail robotics royalty sciences scientific semiconductor
    semiconductors services shipping silver software solar solutions space sportswear steel stores storage studios
    systems tech technologies technology telecom telecommunications therapeutics tobacco trading transport
    transportation uranium utilities vaccines ventures water wireless works worldwide
    """
)
"""What a company does, as the last words of its name."""

BRANDS: dict[str, tuple[str, ...]] = {
    "advanced micro devices": ("amd",),
    "alphabet": ("google", "youtube"),
    "anheuser busch inbev": ("ab inbev", "inbev", "anheuser busch"),
    "astrazeneca": ("astra zeneca",),
    "bank of america": ("bofa", "boa", "merrill lynch"),
    "berkshire hathaway": ("berkshire",),
    "bhp": ("bhp billiton",),
    "blackberry": ("research in motion",),
    "british american tobacco": ("bat", "b.a.t."),
    "cisco systems": ("cisco",),
    "citigroup": ("citi", "citibank"),
    "coca cola": ("coke",),
    "comcast": ("nbcuniversal",),
    "delta air lines": ("delta airlines", "delta"),
    "electronic arts": ("ea",),
    "exxon mobil": ("exxon", "exxonmobil"),
    "ford motor": ("ford",),
    "ge aerospace": ("ge", "general electric"),
    "general electric": ("ge",),
    "general motors": ("gm",),
    "gsk": ("glaxosmithkline", "glaxo"),
    "goldman sachs": ("goldman",),
    "hewlett packard": ("hp",),
    "hewlett packard enterprise": ("hpe",),
    "hp": ("hewlett packard",),
    "international business machines": ("ibm", "big blue"),
    "johnson & johnson": ("j&j",),
    "jpmorgan chase": ("jp morgan", "jp morgan chase", "j p morgan", "jpmorgan"),
    "lloyds banking": ("lloyds",),
    "lululemon athletica": ("lululemon",),
    "mcdonald's": ("mcdonalds",),
    "meta platforms": ("meta", "facebook", "instagram", "whatsapp"),
    "micron technology": ("micron",),
    "natwest": ("royal bank of scotland", "rbs"),
    "pepsico": ("pepsi",),
    "procter & gamble": ("p&g",),
    "raytheon technologies": ("raytheon", "united technologies"),
    "rtx": ("raytheon", "united technologies"),
    "research in motion": ("blackberry", "rim"),
    "royal bank of scotland": ("rbs",),
    "royal dutch shell": ("shell",),
    "sainsbury": ("sainsbury's", "j sainsbury"),
    "standard chartered": ("stanchart",),
    "tesla": ("tesla motors",),
    "teva pharmaceutical industries": ("teva",),
    "toyota motor": ("toyota",),
    "united parcel service": ("ups",),
    "valeant pharmaceuticals international": ("valeant",),
    "verizon communications": ("verizon",),
    "walmart": ("wal mart",),
    "wal mart": ("walmart",),
    "wal mart stores": ("walmart", "wal mart"),
    "walt disney": ("disney",),
}
"""What companies are called beside what they are listed as; by the name and not the ticker, which may change hands."""

IDIOMS = _phrases(
    """
    s&p, s&p 500, standard & poor's, dow, dow jones, nasdaq, nyse, big apple, adam's apple, apple pie, apple cider,
    harrison ford, tom ford, gerald ford, betty ford, prudential regulation authority, delta variant, delta hedging,
    mississippi delta, amazon rainforest, amazon basin, amazon river, tesla coil, nikola tesla, visa waiver,
    travel visa, shell company, shell companies, oracle of omaha
    """
)
"""Phrases that no company is meant by; they are taken before any name in them."""

COMMON_WORDS = _set(
    """
    able academy accelerate access acorn act action active acuity adapt admiral advance advanced advantage agenda
    agility agree air alamo align alliance ally alpha alpine altitude ambition american amplify anchor angel
    answers apex apollo applied aqua arch arena argo arm armada array arrow artisan ascend ascent asia aspen
    assembly asset assured atlantic atlas atom aurora autumn avenue aware axis badger balance ball bank banner
    bark barnes base basic bay beacon beam beyond big bill bio bird black blink block bloom blue board bold boot
    boston bowl box brady brand bread bridge bright brink broadway brother build bull bumble business butterfly
    cable cactus california camping canada canadian canopy cantor capital capitol cardinal care cars carter cash
    castle catalyst celebrity central century certain champion chance change chart charter chase china choice
    cinema circle citizens city clarity class clean clear cloud coast codex cohen coherent columbia comfort
    command commerce commercial common community compass complete comstock concrete conduit connect constellation
    consumer continental cooper copper core corner cosmos cousins covenant credit crescent cross crown cruise
    crystal current curtis custom cycle dana dash data dave dawn day deep delta deluxe denver deposit deutsche digital
    direct discover discovery distribution diversified dollar dolphin domain dominion dorian double dream drive
    duke dutch dynamic dynamics eagle early east eastern easy echo eclipse edge edison educational electric
    element elite embark emerald emerge empire enact encore endeavor endurance energy engage enhance ensign
    enterprise entrada envision equity escape esquire essential essex eternal europe european ever everest
    evergreen exact excel excelsior exchange expand expedition experience exponent express extra extreme fair
    falcon family farm fast federal figs first five flash flex float flow fluent focus foot forge form formula
    forrester fortress fortune forward fossil foundation founders four fox franchise franklin freedom freeport
    fresh frontier fuel full fulton future galaxy gap garrett gas gates gateway general generation genesis genie
    genius gentle genuine georgia german global globe gold golden good grace graham grand granite graphic gravity
    great green greenland grid groove ground group growth guardian guess guided gulf halo hamilton hanover harbor
    harmony harvest haven hawk health heart heartland helix heritage hess high hilltop home hope horizon host
    houston hub hudson human huntington icon ideal impact imperial independence independent index industrial
    infinity informed ingram innovate innovative inspire instructure integer integral integrated intelligent
    interface international intrepid invitation iron island jack jackson japan joint jones journey joy just kelly
    kemper kennedy key kirby knight lamb land landmark lands laureate leap lee legacy legend lemonade leslie
    liberty life lifetime light limestone lincoln lindsay link lion liquid liquidity live loop lowe lucid lumen
    lumos luther macy magic magnet magnolia main major mama manhattan manning marathon marcus marine mark marker
    market markets marks marsh martin mason mass master match matrix matson matter may mercury meridian merit
    metro middle midland mind mineral minerva mission model modern momentum monarch monday money monitor monster
    moody moon morning motion mountain mueller murphy mutual nano national nature nautilus navigator neon network
    new newmark news next nice noble nordic north northern northwest nova now nuance nut nutrient oak oasis ocean
    oceans office oil old omega omnibus on one open opportunity optimum option orange orbit orchid organic origin
    orion outfront outlook overseas owens pacific pair palace palo pan panther paradigm paragon paramount park
    parker partner patrick patriot payment payments peak pegasus people perfect perform perimeter perpetua
    perpetual phillips phoenix photon pilgrim pinnacle pioneer plains planet platinum play playa plexus plug plus
    point polaris pool popular porch post power premier price pride prime principal priority pro progress
    progressive prospect prosperity proto provident public pulse pure purple quad quaker quantum quest quick
    radiant radius rain ralph range ranger rapid ready real reality realty red redwood regal regency regional
    regions relay reliable reliance reliant remark rent repay republic resilient resource response revolve
    reynolds rhythm rich ring rise rite river riverside robert robinson rock rocket rocky rogers root roots rose
    ross royal rubicon rush sable safe safety sage saint salem san savers scholar science scorpio seaboard
    seacoast seal sealed seaport select seneca sentinel service shake shift shoe signature signet silver simmons
    simply simpson six sky sleep smart smith snap social sonder sonic source south southern southwest spark
    spectrum speed spire spirit splash spring sprinkler sprout sprouts square standard star state steel stellar
    stem sterling steven stewart stone store story strategic strategy stride strong summit sun sunrise superior
    supreme surge surgery swift symbolic synergy tactile talos tandem target team teekay telephone tempest terra
    texas the thor three tidal tile timber time titan toast tootsie tower town tractor trade trail transform
    travel tree trex tri tribune trinity trip triumph true trustmark turning turtle twist two ultra under union
    unique unit united unity universal universe upland upstart urban utah utz valley value vanguard vector venture
    vera verde veritas verity vertex vertical victory view viking village virgin virginia virtue virtus visa
    vision vista vital vivid voyager walker warrior washington waste waters wave webster wells wendy west western
    westwood wheels white wide wiley williams willow wind wing wins wolf wolverine woodside woodward world
    worthington wright yellow york young zebra zest zion
    """
)
"""Words that are companies' whole names, too: they link where a legal form or a possessive follows."""

ABBREVIATIONS = _set(
    """
    ABC ABCD ACA ACT ADD ADR ADS AFT AGE AGI AGM AGO AIDS AIM AIR ALERT ALL ALOT ALSO AMT AND ANTI ANY AOL API APP
    APPS APR APT APY ARE ARG ARM ARMS ARPU ARR ART ASAP ASIC ASK ASP ASX ATH ATM ATR AUD AUG AUM AUTO AVG AWAY
    AWAYS AWS BABY BACK BAD BAG BALL BAN BANK BAR BASE BBB BBC BBG BEAR BEAT BEATS BEEN BEST BETA BID BIG BILL BIO
    BIT BLOW BLUE BOE BOJ BOLD BOND BOOM BOOT BOSS BOX BOYS BPS BREAK BRIC BRICS BULL BUT BUY BUYS BUZZ BYE CAC
    CAD CAGR CALL CALLS CAN CAP CAPEX CAR CARE CARS CASE CASH CBD CBO CBOE CDC CDS CEO CES CFA CFO CFTC CHAT
    CHEAP CHECK CHF CHI CHIP CIA CIO CITY CLEAN CLEAR CLOUD CLUB CME CMO CNBC CNET CNN CNY COB COME COO COOL COP
    CORE COST COVID CPA CPI CPU CRE CRM CRO CRT CSI CSR CST CTO CUT CUTS DATA DAX DAY DAYS DCF DEA DEAL DEALS
    DEATH DEBT DEC DEEP DEL DEMO DEPT DGI DIAL DID DIET DIP DIY DNA DOD DOE DOJ DON DONE DOT DOW DOWN DRAM DRAW
    DROP DRUG DUE DVD EACH EARN EAST EASY EAT EBIT ECB ECHO EDGE EDIT EDT EIA ELSE EMA EMEA END ENDS ENG ENT EOD
    EOM EOW EPA EPS ERP ESG ESPN EST ETA ETC ETF ETFS ETN EUR EVA EVER EVERY EVS EXIT EXP EYE EYES FAANG FACE FACT
    FAIR FALL FAM FAN FANG FAQ FAR FARM FAST FAT FATE FAX FBI FCC FCF FDA FDIC FEB FED FEEL FEW FIFA FILL FIN FIND
    FINRA FIRE FIRM FIT FIVE FIX FLAT FLEX FLOW FLY FOLD FOMC FOMO FOOD FOR FORM FORTH FOUR FOX FREE FRESH FRI
    FROM FTC FTSE FUD FUEL FULL FUN FUND FUNDS FYI GAAP GAIN GAINS GAME GAS GAVE GBP GDP GEAR GEM GEN GET GETS
    GIFT GIG GIVE GLAD GLASS GMO GMT GMV GOAL GOES GOLD GOLF GOOD GOT GPS GPU GRAB GREAT GREEN GREW GRID GROW
    GROWS GRP GUIDE GURU GUT GUY HACK HALF HALO HALT HALTS HAND HARD HAS HAVE HBO HEAD HEAL HEAR HEART HEDGE HEI
    HELD HELP HEY HFT HIGH HIGHS HIRE HIS HIT HITS HIV HOD HODL HOLD HOLI HOME HOPE HOST HOT HOUR HOW HUGE
    HUN ICE ICO ICON IDEA IDEAL ILO IMF IMO INDEX INFO ING INTO INV IPA IPAD IPO IPOS IRA IRR IRS ISIS ISM ITC ITM
    ITS JAN JOB JOBS JOE JPY JUL JUMP JUN JUST KEEP KEY KEYS KING KPI KYC LAB LACK LAKE LAND LAST LATE LAW LEAD
    LEAP LED LEFT LESS LET LGBT LIFE LIFT LIKE LINE LINK LIST LIT LIVE LLC LLM LNG LOAN LOCK LOD LOL LONG LOOK
    LOSE LOSS LOST LOT LOTS LOVE LOW LOWS LPG LTD LTE LUCK MAC MACD MAD MADE MAIN MAKE MAN MANY MAP MAR MARK MARS
    MASS MAX MAY MBA MBS MEAN MEET MEGA MEN MET MGMT MID MIL MIN MIND MINE MISS MIX MLB MLP MMF MNA MOC MODE MOM
    MOMO MON MOON MORE MOST MOVE MOVES MRI MSCI MUCH MUST MVP NAFTA NAME NAND NASA NATO NAV NBA NBC NCAA NEAR
    NEED NET NEVER NEW NEWS NEXT NFL NFP NFT NGL NHL NHS NICE NIGHT NINE NLP NON NONE NOT NOTE NOV NOW NSA NSE NYC
    NYSE NYT OCT ODD OEM OFF OIL OLD OLED OMG ONCE ONE ONES ONLY OPEC OPEN OPEX OPT OTC OTM OUR OUT OVER OWN PAID
    PAIR PAR PARK PART PASS PAST PATH PAY PAYS PBOC PCE PCT PDT PEAK PEG PER PHD PHONE PICK PIN PING PLAN PLAY
    PLAYS PLC PLS PLUG PLUS PMI POINT POOL POOR POP POS POST POT POTUS POWER PPI PPS PRE PREV PRICE PRIME PRO
    PROOF PTS PULL PUMP PURE PUSH PUT PUTS QOQ QTD QTR QUIT RACE RAIL RAIN RAISE RALLY RAM RAN RATE RATES RAW RBC
    RBI READ REAL RED REIT REITS RENT REO REP REST REV RICH RIDE RIG RIGHT RIP RISE RISK RNA ROAD ROCK ROE ROI
    ROIC ROLL ROOM ROOT RSI RSU RULE RUN RUNS RUSH SAAS SAFE SAID SALE SALES SAR SAT SAVE SAY SAYS SCAM SEA SEC
    SEE SELF SELL SELLS SEP SEPT SET SETS SHE SHIP SHOP SHORT SHOT SHOW SIDE SIGN SITE SIX SIZE SKY SLOW SMA SMART
    SMS SNAP SNP SOFT SOLD SOLO SOME SON SOON SOS SPAC SPACS SPLIT SPOT STAR START STAY STEM STEP STILL STO STOCK
    STOP STOPS STR SUB SUM SUN SUPER SURE SWAP SWOT TAKE TALK TAM TANK TAP TAX TBA TBD TCP TEAM TECH TELL TEN TERM
    TEST TEXT TGIF THAN THANK THAT THE THEM THEN THEY THIS THU TICK TIME TINY TIP TIPS TLC TLDR TOLD TON TONE TOO
    TOOK TOOL TOP TOPS TOUR TOWN TOY TOYS TPP TRADE TREE TREND TRIP TRUE TRUST TRY TSA TTM TUE TURN TWO UAE UBI
    UBS UNIT UPS URL USA USB USD USDA USE USED USER VAR VAT VERY VIA VIEW VIP VIX VOL VOTE VPN WAIT WALK WALL WANT
    WAR WARN WAS WAY WEAK WEB WED WEEK WELL WENT WERE WEST WHAT WHEN WHO WHOLE WHY WIDE WIFI WILD WILL WIN WIND
    WINS WIT WITH WON WOOD WORD WORK WORLD WORST WOW WTF WTI WTO YEAH YEAR YEN YES YET YOLO YOU YOUR YOY YTD ZERO
    ZONE
    """
)
"""Words in capitals that are words, or short for something, before they are tickers; shorter ones never link bare."""
